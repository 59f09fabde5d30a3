import { getInstanceByDom, type ECharts } from 'echarts/core'
import { useEffect } from 'react'

/** A chart as it is drawn now, for what is laid over it. */
export interface Drawn {
  chart: ECharts
  /** What its axes enclose, in the chart. */
  grid: DOMRect
  /** Where the chart is in the element. */
  left: number
  top: number
}

/** Calls place each time that the chart in the element has been drawn; without a grid there is nothing to place on. */
export function useChart(chartIn: HTMLElement, place: (drawn?: Drawn) => void) {
  useEffect(() => {
    let chart: ECharts | undefined
    const drawn = () => {
      const canvas = chart?.getDom()
      if (!chart || !canvas) return
      const grid = (chart as unknown as { getModel(): { getComponent(name: string): { coordinateSystem: { getRect(): DOMRect } } | undefined } })
        .getModel()
        .getComponent('grid')
        ?.coordinateSystem?.getRect()
      if (!grid) return place()
      const offset = canvas.getBoundingClientRect()
      const origin = chartIn.getBoundingClientRect()
      place({ chart, grid, left: offset.left - origin.left, top: offset.top - origin.top })
    }
    const attach = () => {
      const element = chartIn.querySelector<HTMLElement>('[_echarts_instance_]')
      const found = element ? getInstanceByDom(element) : undefined
      if (found === chart) return
      chart?.isDisposed() || chart?.off('finished', drawn)
      chart = found
      chart?.on('finished', drawn)
      drawn()
    }
    attach()
    const timer = setInterval(attach, 500)
    return () => {
      clearInterval(timer)
      if (chart && !chart.isDisposed()) chart.off('finished', drawn)
    }
  }, [chartIn, place])
}
