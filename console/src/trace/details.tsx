import { Box, Button, Chip, Link as Anchor, Stack, Typography } from '@mui/material'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState, type ReactNode } from 'react'
import { Link as RouterLink } from 'react-router-dom'
import type { LogLine as StoredLine } from '../backends/loki'
import { linksTo, type Attributes, type Link, type Span, type Trace } from '../backends/traces'
import { LogLine } from '../panels/log-lines'
import { clock, duration } from '../time'
import { selfTimes } from './analysis'
import { colorOf } from './colors'

export function Details({ span, trace, lines, what }: { span: Span; trace: Trace; lines: StoredLine[]; what?: string[] }) {
  const self = useMemo(() => selfTimes(trace).get(span.id) ?? 0n, [trace, span])
  const linking = useQuery({ queryKey: ['linksTo', span.id], queryFn: () => linksTo(span), keepPreviousData: false })
  return (
    <Box component="aside" aria-label={`Span ${span.name}`} data-details sx={{ overflow: 'auto', p: 2, borderLeft: 1, borderColor: 'divider', height: '100%' }}>
      <Typography variant="h3" sx={{ fontSize: 16, overflowWrap: 'anywhere' }}>
        {span.name}
      </Typography>
      <Stack direction="row" gap={0.5} flexWrap="wrap" my={1}>
        <Chip size="small" label={span.service} sx={{ bgcolor: colorOf(span.service), color: '#fff' }} />
        <Chip size="small" variant="outlined" label={span.kind.toLowerCase()} />
        {span.status !== 'UNSET' && <Chip size="small" color={span.status === 'ERROR' ? 'error' : 'success'} label={span.status.toLowerCase()} />}
      </Stack>
      {span.message && <Typography color="error.main">{span.message}</Typography>}
      {span.orphan && <Typography color="warning.main">Its parent {span.parentId} is not in the store: not yet, or no more.</Typography>}
      {what && (
        <Section title="Different">
          {what.map((one) => (
            <Box key={one} sx={{ color: 'warning.main', overflowWrap: 'anywhere', whiteSpace: 'pre-wrap', fontSize: 13 }}>
              {one}
            </Box>
          ))}
        </Section>
      )}
      <Pairs
        pairs={{
          starts: `+${duration(Number(span.start - trace.start) / 1000)}, ${clock(Number(span.start / 1000000n))}`,
          takes: duration(Number(span.end - span.start) / 1000),
          'of it, itself': duration(Number(self) / 1000),
          span: span.id,
          parent: span.parentId || 'none',
          scope: span.scope,
        }}
      />
      <Section title="Attributes">
        <Pairs pairs={span.attributes} />
      </Section>
      {span.events.length > 0 && (
        <Section title="Events">
          {span.events.map((event, i) => (
            <Box key={i} mb={1}>
              <Typography variant="body2">
                <b>{event.name}</b> +{duration(Number(event.time - trace.start) / 1000)}
              </Typography>
              <Pairs pairs={event.attributes} />
            </Box>
          ))}
        </Section>
      )}
      {span.links.length > 0 && (
        <Links links={span.links} key={span.id} />
      )}
      {!!linking.data?.length && (
        <Section title="Linked from">
          {linking.data.map(({ traceId, service, name }) => (
            <Box key={traceId} mb={1} data-linked-from={traceId}>
              <Anchor component={RouterLink} to={`/trace/${traceId}`} fontFamily="monospace" fontSize={13}>
                {traceId}
              </Anchor>{' '}
              {service} <b>{name}</b>
            </Box>
          ))}
        </Section>
      )}
      {lines.length > 0 && (
        <Section title="Log">
          {lines.map((line) => (
            <LogLine key={line.time + line.line} line={{ ...line, time: Number(BigInt(line.time) / 1000n) / 1000 }} traceLink={false} />
          ))}
        </Section>
      )}
      <Section title="Resource">
        <Pairs pairs={span.resource} />
      </Section>
      <Anchor component={RouterLink} to={`/dashboards/services?var-service=${encodeURIComponent(span.service)}`}>
        Metrics of {span.service}
      </Anchor>
    </Box>
  )
}

/** A batch has a link for each of its messages: the first are shown, and the rest when asked for. */
function Links({ links }: { links: Link[] }) {
  const [shown, show] = useState(20)
  return (
    <Section title={`Links (${links.length})`}>
      {links.slice(0, shown).map((link) => (
        <Box key={link.traceId + link.spanId} mb={1}>
          <Anchor component={RouterLink} to={`/trace/${link.traceId}?span=${link.spanId}`} fontFamily="monospace" fontSize={13}>
            {link.traceId} {link.spanId}
          </Anchor>
          <Pairs pairs={link.attributes} />
        </Box>
      ))}
      {links.length > shown && (
        <Button size="small" onClick={() => show(links.length)}>
          Show all {links.length}
        </Button>
      )}
    </Section>
  )
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Box component="section" my={1.5}>
      <Typography variant="overline" component="h4" color="text.secondary">
        {title}
      </Typography>
      {children}
    </Box>
  )
}

function Pairs({ pairs }: { pairs: Attributes }) {
  const sorted = Object.entries(pairs)
  if (!sorted.length) return <Typography variant="body2">none</Typography>
  return (
    <Box component="dl" sx={{ display: 'grid', gridTemplateColumns: 'minmax(90px, max-content) 1fr', columnGap: 1.5, rowGap: 0.25, m: 0, fontSize: 13 }}>
      {sorted.map(([name, value]) => [
        <Box component="dt" key={name} sx={{ color: 'text.secondary', overflowWrap: 'anywhere', maxWidth: 190 }}>
          {name}
        </Box>,
        <Box component="dd" key={`${name}=`} sx={{ m: 0, overflowWrap: 'anywhere', fontFamily: 'monospace' }}>
          {value}
        </Box>,
      ])}
    </Box>
  )
}
