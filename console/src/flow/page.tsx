import { Alert, Box, Stack, Typography, useMediaQuery } from '@mui/material'
import { useTheme } from '@mui/material/styles'
import { BaseEdge, getBezierPath, Handle, MarkerType, Position, ReactFlow, ReactFlowProvider, useReactFlow, type EdgeProps, type NodeProps } from '@xyflow/react'
import '@xyflow/react/dist/style.css'
import { useEffect } from 'react'
import { Link } from 'react-router-dom'
import { clock, useTitle } from '../time'
import { useMeasured } from '../use-measured'
import { useSize } from '../use-size'
import { picture, type Health, type Part, type Shape, type Side } from './picture'
import { useReadings } from './readings'

const colors: Record<Health, string> = { good: 'success.main', warn: 'warning.main', bad: 'error.main', silent: 'text.disabled' }
const kinds: Record<Shape, string> = { client: 'outside', service: 'service', exchange: 'exchange', queue: 'queue', collector: 'collector', store: 'store' }
const sides: Record<Side, Position> = { left: Position.Left, right: Position.Right, top: Position.Top, bottom: Position.Bottom, corner: Position.Bottom }

function PartNode({ data: { title, lines, health, shape, to, why } }: NodeProps<Part>) {
  return (
      <Box
        component={Link}
        to={to ?? '#'}
        className="nopan"
        aria-label={[title, ...lines, health === 'good' ? '' : why].filter(Boolean).join(', ')}
        data-part={title}
        data-health={health}
        sx={{
          display: 'block',
          width: shape === 'queue' ? 215 : 180,
          px: 1.5,
          py: 0.75,
          border: 2,
          borderLeft: 8,
          borderColor: colors[health],
          borderRadius: shape === 'queue' ? 6 : shape === 'client' ? 8 : 1.5,
          bgcolor: 'background.paper',
          color: 'text.primary',
          textDecoration: 'none',
          pointerEvents: 'all', // React Flow takes them from nodes that cannot be dragged or selected
          '& .react-flow__handle': { opacity: 0 },
          '&:focus-visible': { outline: '3px solid', outlineColor: 'primary.main' },
        }}
      >
        {Object.entries(sides).flatMap(([side, position]) => [
          <Handle key={`from-${side}`} id={`from-${side}`} type="source" position={position} isConnectable={false} style={side === 'corner' ? { left: '85%' } : undefined} />,
          <Handle key={`to-${side}`} id={`to-${side}`} type="target" position={position} isConnectable={false} />,
        ])}
        <Box sx={{ fontSize: 12, color: 'text.secondary', lineHeight: 1.1 }}>{kinds[shape]}</Box>
        <Box sx={{ fontWeight: 700, fontSize: title.length > 18 ? 15.5 : 18, whiteSpace: 'nowrap' }}>{title}</Box>
        {[...lines, ...(why && health !== 'good' ? [why] : [])].map((line) => (
          <Box key={line} sx={{ fontSize: 16, lineHeight: 1.25, color: health === 'good' ? 'text.secondary' : colors[health] }}>
            {line}
          </Box>
        ))}
      </Box>
  )
}

/** A way between two parts. On a short straight one the label would hide the arrow, and stands beside it. */
function WayEdge(way: EdgeProps) {
  const { label, labelStyle, labelBgStyle, labelBgPadding, style, markerEnd } = way
  const [path, x, y] = getBezierPath(way)
  const [level, upright] = [Math.abs(way.sourceY - way.targetY) < 25, Math.abs(way.sourceX - way.targetX) < 8]
  const beside = 10 + String(label ?? '').length * 4.5
  return <BaseEdge {...{ path, label, labelStyle, labelBgStyle, labelBgPadding, style, markerEnd }} labelX={upright ? x - beside : x} labelY={level ? y - 16 : y} />
}

const types = { part: PartNode }
const edgeTypes = { way: WayEdge }

export default function FlowPage() {
  useTitle('Flow')
  return (
    <ReactFlowProvider>
      <Flow />
    </ReactFlowProvider>
  )
}

function Flow() {
  const readings = useReadings()
  const { palette } = useTheme()
  const still = useMediaQuery('(prefers-reduced-motion: reduce)')
  const { ref, width, height } = useSize<HTMLDivElement>()
  const { fitView } = useReactFlow()
  const { parts, ways } = picture(readings)
  const measured = useMeasured(parts)
  const stroke: Record<string, string> = { good: palette.success.main, quiet: palette.text.secondary, silent: palette.text.disabled, bad: palette.error.main }
  const alerts = readings.all('alerts')
  useEffect(() => {
    void fitView({ padding: 0.04 })
  }, [fitView, width, height])

  return (
    <Box sx={{ height: 'calc(100vh - 49px)', display: 'flex', flexDirection: 'column' }} data-page="flow" data-state={readings.error ? 'error' : readings.at ? 'ready' : 'loading'}>
      <Stack direction="row" gap={2} alignItems="center" px={2} py={0.75}>
        <Typography variant="h1" sx={{ fontSize: 18, fontWeight: 600, flex: 1 }}>
          Messages and telemetry, as they flow now
        </Typography>
        {alerts.length > 0 ? (
          <Alert severity="error" sx={{ py: 0 }} data-alerts={alerts.length}>
            Firing: {alerts.map(({ labels }) => labels.alertname).join(', ')}
          </Alert>
        ) : (
          !readings.error && <Box color="success.main">No alert is firing</Box>
        )}
        <Typography variant="body2" color="text.secondary">
          {readings.at > 0 && `as of ${clock(readings.at).slice(0, 8)}`}
        </Typography>
      </Stack>
      {readings.error && <Alert severity="error">The rates cannot be read: {readings.error.message}</Alert>}
      <Box ref={ref} flex={1} minHeight={0}>
        <ReactFlow
          {...measured}
          edges={ways.map((way) => {
            const color = stroke[way.className!]
            return {
              ...way,
              type: 'way',
              animated: way.animated && !still,
              style: { ...way.style, stroke: color },
              markerEnd: { type: MarkerType.ArrowClosed, color, width: 14, height: 14, markerUnits: 'userSpaceOnUse' },
              labelStyle: { fontSize: 17, fontWeight: 600, fill: way.className === 'bad' ? palette.error.main : palette.text.primary },
              labelBgStyle: { fill: palette.background.default },
              labelBgPadding: [4, 2] as [number, number],
            }
          })}
          nodeTypes={types}
          edgeTypes={edgeTypes}
          colorMode={palette.mode}
          style={{ background: 'transparent' }}
          fitView
          fitViewOptions={{ padding: 0.04 }}
          minZoom={0.3}
          maxZoom={3}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
        />
      </Box>
    </Box>
  )
}
