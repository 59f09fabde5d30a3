import { Alert, Box, Button, Chip, LinearProgress, Link as Anchor, Stack, Table, TableBody, TableCell, TableHead, TableRow, ToggleButton, ToggleButtonGroup, Typography } from '@mui/material'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router-dom'
import { read } from '../backends/request'
import { count, useAddress, useTitle } from '../time'

/** What `throughline score --json` prints. */
interface Report {
  traces: number
  services: Service[]
  notComputed: Record<string, string>
  conventions: string
}

interface Service {
  name: string
  score: number
  category: string
  spans: number
  traces: number
  rules: { rule: string; impact: string; title: string; passed: boolean; example?: string; traceId?: string }[]
  attributes: { key: string; verdict: string; example: string; traceId: string }[]
  custom: string[]
}

const times = ['15m', '1h', '6h', '24h']
const specification = 'https://github.com/instrumentation-score/spec/blob/main/rules'

export default function ScorePage() {
  useTitle('Score')
  const [parameters, change] = useAddress()
  const last = parameters.get('last') ?? times[0]!
  const service = parameters.get('service') ?? ''
  const { data, error, isFetching, refetch } = useQuery<Report, Error>({
    queryKey: ['score', last, service],
    queryFn: ({ signal }) => read(`/api/score?${new URLSearchParams({ last, service })}`, 'the console', { signal }),
    keepPreviousData: false,
    staleTime: 30_000,
  })
  return (
    <Box p={2} maxWidth={1280} data-page="score" data-state={error ? 'error' : data ? (data.services.length ? 'ready' : 'empty') : 'loading'}>
      <Stack direction="row" gap={2} alignItems="center" flexWrap="wrap" mb={2}>
        <Typography variant="h1" sx={{ fontSize: 18, fontWeight: 600 }}>
          Instrumentation score{service && ` of ${service}`}
        </Typography>
        <ToggleButtonGroup exclusive size="small" value={last} onChange={(_, value: string | null) => value && change({ last: value })} aria-label="Last">
          {times.map((value) => (
            <ToggleButton key={value} value={value}>
              {value}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        <Button onClick={() => void refetch()} disabled={isFetching}>
          Score again
        </Button>
        {service && <Button onClick={() => change({ service: undefined })}>All services</Button>}
        <Typography variant="body2" color="text.secondary" flex={1}>
          By the rules of{' '}
          <Anchor href="https://github.com/instrumentation-score/spec" target="_blank" rel="noreferrer">
            instrumentation-score/spec
          </Anchor>
          ; the command line has it as <code>throughline score</code>. <Anchor href="/docs/your-flow.md#how-well-is-it-instrumented" target="_blank">What it says and does not say</Anchor>
        </Typography>
      </Stack>
      {error ? (
        <Alert severity="error" action={<Button onClick={() => void refetch()}>Ask again</Button>}>
          {error.message}
        </Alert>
      ) : !data ? (
        <LinearProgress />
      ) : !data.services.length ? (
        <Alert severity="info">
          No traces of {service || 'any service'} in the last {last}. Let it do something, or look further back.
        </Alert>
      ) : (
        <>
          {data.services.map((one) => (
            <Scored key={one.name} service={one} conventions={data.conventions} />
          ))}
          <NotComputed rules={data.notComputed} />
        </>
      )}
    </Box>
  )
}

function Scored({ service, conventions }: { service: Service; conventions: string }) {
  const passed = service.rules.filter((rule) => rule.passed).length
  return (
    <Box component="section" mb={4} data-service={service.name} data-score={service.score}>
      <Stack direction="row" gap={1.5} alignItems="baseline">
        <Typography component="h2" sx={{ fontSize: 16, fontWeight: 600 }}>
          {service.name || '(no service.name)'}
        </Typography>
        <Chip size="small" color={service.score >= 90 ? 'success' : service.score >= 75 ? 'info' : service.score >= 50 ? 'warning' : 'error'} label={`${Math.round(service.score)} ${service.category}`} />
        <Typography variant="body2" color="text.secondary">
          {passed} of {count(service.rules.length, 'rule')} that apply, {count(service.spans, 'span')} of {count(service.traces, 'trace')}
        </Typography>
      </Stack>
      <Table size="small" sx={{ tableLayout: 'fixed' }}>
        <Columns names={['Rule', 'What it asks for', 'Impact', 'Result', 'Example']} widths={[100, 320, 90, 100, undefined]} />
        <TableBody>
          {service.rules.map(({ rule, impact, title, passed, example, traceId }) => (
            <TableRow key={rule} data-rule={rule} data-passed={passed}>
              <TableCell>
                <Anchor href={`${specification}/${rule}.md`} target="_blank" rel="noreferrer">
                  {rule}
                </Anchor>
              </TableCell>
              <TableCell>{title}</TableCell>
              <TableCell>{impact}</TableCell>
              <TableCell sx={{ color: passed ? 'success.main' : 'error.main', fontWeight: 600 }}>{passed ? '✓ holds' : '✗ broken'}</TableCell>
              <Example text={example} trace={traceId} />
            </TableRow>
          ))}
        </TableBody>
      </Table>
      <Typography component="h3" sx={{ fontSize: 14, fontWeight: 600, mt: 2 }}>
        Attributes, by the semantic conventions {conventions}
      </Typography>
      {service.attributes.length > 0 ? (
        <Table size="small" sx={{ tableLayout: 'fixed' }}>
          <Columns names={['Attribute', 'It is', 'Example']} widths={[420, 170, undefined]} />
          <TableBody>
            {service.attributes.map(({ key, verdict, example, traceId }) => (
              <TableRow key={key} data-attribute={key} data-verdict={verdict}>
                <TableCell sx={{ overflowWrap: 'anywhere' }}>
                  <code>{key}</code>
                </TableCell>
                <TableCell>{verdict}</TableCell>
                <Example text={example} trace={traceId} />
              </TableRow>
            ))}
          </TableBody>
        </Table>
      ) : (
        <Typography variant="body2">All that are in a namespace of the conventions are known, in use and of their type.</Typography>
      )}
      {service.custom.length > 0 && (
        <Typography variant="body2" color="text.secondary" sx={{ overflowWrap: 'anywhere' }} data-custom>
          Its own attributes: {service.custom.join(', ')}
        </Typography>
      )}
    </Box>
  )
}

function Columns({ names, widths }: { names: string[]; widths: (number | undefined)[] }) {
  return (
    <TableHead>
      <TableRow>
        {names.map((name, i) => (
          <TableCell key={name} sx={{ width: widths[i] }}>
            {name}
          </TableCell>
        ))}
      </TableRow>
    </TableHead>
  )
}

/** What breaks a rule, and the way to the trace where it is. */
function Example({ text, trace }: { text?: string; trace?: string }) {
  return (
    <TableCell sx={{ overflowWrap: 'anywhere' }}>
      {text}{' '}
      {trace && (
        <Anchor component={Link} to={`/trace/${trace}`} data-trace-link>
          trace {trace.slice(0, 8)}…
        </Anchor>
      )}
    </TableCell>
  )
}

function NotComputed({ rules }: { rules: Record<string, string> }) {
  return (
    <Box component="section" data-not-computed>
      <Typography component="h2" sx={{ fontSize: 16, fontWeight: 600 }}>
        Not computed
      </Typography>
      <Table size="small" sx={{ tableLayout: 'fixed' }}>
        <Columns names={['Rule', 'Because']} widths={[100, undefined]} />
        <TableBody>
          {Object.entries(rules)
            .sort()
            .map(([rule, reason]) => (
              <TableRow key={rule}>
                <TableCell>
                  <Anchor href={`${specification}/${rule}.md`} target="_blank" rel="noreferrer">
                    {rule}
                  </Anchor>
                </TableCell>
                <TableCell>{reason}</TableCell>
              </TableRow>
            ))}
        </TableBody>
      </Table>
    </Box>
  )
}
