import { type Node, type NodeChange } from '@xyflow/react'
import { useCallback, useState } from 'react'

// React Flow hides a node until it has measured it. What is drawn anew with each
// refresh keeps its sizes, so that it does not blink.
export function useMeasured<N extends Node>(nodes: N[]) {
  const [sizes, setSizes] = useState<Record<string, { width: number; height: number }>>({})
  const onNodesChange = useCallback((changes: NodeChange<N>[]) => {
    const measured = changes.flatMap((change) => (change.type === 'dimensions' && change.dimensions ? [[change.id, change.dimensions]] : []))
    if (measured.length > 0) setSizes((before) => ({ ...before, ...Object.fromEntries(measured) }))
  }, [])
  return { nodes: nodes.map((node) => ({ ...node, measured: sizes[node.id] })), onNodesChange }
}
