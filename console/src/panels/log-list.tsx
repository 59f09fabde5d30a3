import type { LogData } from '@perses-dev/core'
import type { PanelProps } from '@perses-dev/plugin-system'
import { useMemo } from 'react'
import { LogLines } from './log-lines'
import { panelPlugin } from './panel-plugin'

function List({ spec, contentDimensions, queryResults }: PanelProps<{ oldestFirst: boolean }, { logs: LogData }>) {
  const entries = queryResults[0]?.data.logs.entries
  const lines = useMemo(() => {
    const newestFirst = (entries ?? []).map(({ timestamp, line, labels }) => ({ time: timestamp * 1000, line, labels: labels ?? {} }))
    return spec.oldestFirst ? newestFirst.reverse() : newestFirst
  }, [entries, spec.oldestFirst])
  return <LogLines lines={lines} height={contentDimensions?.height ?? 0} />
}

export const LogList = panelPlugin(List, 'LogQuery')
