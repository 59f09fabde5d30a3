import type { UnknownSpec } from '@perses-dev/core'
import type { PanelPlugin, PanelProps } from '@perses-dev/plugin-system'
import type { ComponentType } from 'react'

/** A panel as Perses takes one, of a component that knows what its query brings. */
export const panelPlugin = (component: unknown, query: 'TimeSeriesQuery' | 'TraceQuery' | 'LogQuery'): PanelPlugin => ({
  PanelComponent: component as ComponentType<PanelProps<UnknownSpec>>,
  supportedQueryTypes: [query],
  createInitialOptions: () => ({}),
})
