import { Box, Typography } from '@mui/material'
import { useTheme } from '@mui/material/styles'
import type { TimeSeries, TimeSeriesData, UnknownSpec } from '@perses-dev/core'
import type { PanelProps } from '@perses-dev/plugin-system'
import { Handle, MarkerType, Position, ReactFlow, type Edge, type Node, type NodeProps } from '@xyflow/react'
import '@xyflow/react/dist/style.css'
import dagre from '@dagrejs/dagre'
import { useMemo } from 'react'
import { duration } from '../time'
import { colorOf } from '../trace/colors'
import { useMeasured } from '../use-measured'
import { panelPlugin } from './panel-plugin'

const size = { width: 150, height: 56 }

type Service = Node<{ name: string; rate: number; failed: number; seconds: number }, 'service'>

const last = ({ values }: TimeSeries) => values.at(-1)?.[1] ?? 0
const perSecond = (rate: number) => `${Number(rate.toPrecision(2))}/s`

function ServiceNode({ data: { name, rate, failed, seconds } }: NodeProps<Service>) {
  return (
    <Box
      sx={{ ...size, borderRadius: 2, border: 2, borderColor: failed > 0 ? 'error.main' : colorOf(name), bgcolor: 'background.paper', px: 1, py: 0.5, color: 'text.primary' }}
      data-service={name}
    >
      <Handle type="target" position={Position.Left} />
      <Typography noWrap fontWeight={600}>
        {name}
      </Typography>
      <Typography variant="caption" noWrap component="div" color={failed > 0 ? 'error' : 'text.secondary'}>
        {rate > 0 ? `${perSecond(rate)} · ${duration(seconds * 1e6)}` : 'calls only'}
        {failed > 0 && ` · ${perSecond(failed)} fail`}
      </Typography>
      <Handle type="source" position={Position.Right} />
    </Box>
  )
}

const types = { service: ServiceNode }

function graph([requests, failures, times]: TimeSeriesData[]): { nodes: Service[]; edges: Edge[] } {
  const names = new Map<string, Service['data']>()
  const of = (name: string) => names.get(name) ?? names.set(name, { name, rate: 0, failed: 0, seconds: 0 }).get(name)!
  const value = (data: TimeSeriesData | undefined, client: string, server: string) => {
    const series = data?.series.find(({ labels }) => labels?.client === client && labels.server === server)
    return series ? last(series) : 0
  }
  const layout = new dagre.graphlib.Graph().setGraph({ rankdir: 'LR', nodesep: 24, ranksep: 90 }).setDefaultEdgeLabel(() => ({}))
  const edges = (requests?.series ?? []).flatMap((series): Edge[] => {
    const { client, server } = series.labels ?? {}
    if (!client || !server) return []
    const [rate, failed, seconds] = [last(series), value(failures, client, server), value(times, client, server)]
    of(client)
    const target = of(server)
    target.seconds = target.rate + rate > 0 ? (target.seconds * target.rate + (seconds || 0) * rate) / (target.rate + rate) : 0
    target.rate += rate
    target.failed += failed
    layout.setEdge(client, server)
    return [
      {
        id: `${client} ${server}`,
        source: client,
        target: server,
        label: failed > 0 ? `${perSecond(rate)}, ${perSecond(failed)} fail` : perSecond(rate),
        markerEnd: { type: MarkerType.ArrowClosed },
        animated: rate > 0,
        style: failed > 0 ? { stroke: '#d93636' } : undefined,
      },
    ]
  })
  for (const name of names.keys()) layout.setNode(name, { ...size })
  dagre.layout(layout)
  const nodes = [...names].map(([name, data]): Service => {
    const { x, y } = layout.node(name)
    return { id: name, type: 'service', data, position: { x: x - size.width / 2, y: y - size.height / 2 } }
  })
  return { nodes, edges }
}

function Panel({ queryResults }: PanelProps<UnknownSpec, TimeSeriesData>) {
  const { palette } = useTheme()
  const { nodes, edges } = useMemo(() => graph(queryResults.map(({ data }) => data)), [queryResults])
  const measured = useMeasured(nodes)
  return (
    <Box height="100%" key={nodes.map(({ id }) => id).join()}>
      <ReactFlow
        {...measured}
        edges={edges}
        nodeTypes={types}
        colorMode={palette.mode}
        style={{ background: 'transparent' }}
        fitView
        fitViewOptions={{ padding: 0.1, maxZoom: 1.2 }}
        nodesConnectable={false}
        edgesFocusable={false}
        preventScrolling={false}
        zoomOnScroll={false}
      />
    </Box>
  )
}

export const ServiceGraph = panelPlugin(Panel, 'TimeSeriesQuery')
