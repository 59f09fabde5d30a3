import { Alert, AppBar, Box, Button, CssBaseline, InputBase, LinearProgress, Menu, MenuItem, Stack, ThemeProvider, useMediaQuery } from '@mui/material'
import { getTheme } from '@perses-dev/components'
import { Component, createContext, lazy, Suspense, useContext, useMemo, useState, type ReactNode } from 'react'
import { createBrowserRouter, Navigate, NavLink, Outlet, RouterProvider, useLocation, useNavigate, useParams } from 'react-router-dom'
import { useConfig } from './config'
import { Faults } from './faults'

const Dashboard = lazy(() => import('./dashboards/page'))
const Trace = lazy(() => import('./trace/page'))
const Search = lazy(() => import('./search/page'))
const Flow = lazy(() => import('./flow/page'))
const Score = lazy(() => import('./score/page'))

const router = createBrowserRouter([
  {
    element: <Layout />,
    children: [
      { path: '/', element: <Navigate to="/dashboards/message-flow" replace /> },
      { path: '/dashboards', element: <Navigate to="/dashboards/message-flow" replace /> },
      { path: '/dashboards/:uid', element: <Dashboard /> },
      { path: '/trace/:id', element: <Trace /> },
      { path: '/traces/:id', element: <TraceByAnotherName /> },
      { path: '/search', element: <Search /> },
      { path: '/flow', element: <Flow /> },
      { path: '/score', element: <Score /> },
      { path: '*', element: <Box p={4}>There is no such page. The pages are named above.</Box> },
    ],
  },
])

type Mode = 'system' | 'light' | 'dark'
const modes: Mode[] = ['system', 'light', 'dark']
const marks: Record<Mode, string> = { system: '◐', light: '☀', dark: '☾' }
const stored = () => modes.find((mode) => mode === localStorage.getItem('theme')) ?? 'system'
// A context, as what shows the mode is in a route, which does not render again with App.
const ThemeMode = createContext<{ mode: Mode; choose: (mode: Mode) => void }>({ mode: 'system', choose: () => {} })

export function App() {
  const [mode, setMode] = useState<Mode>(stored)
  const systemIsDark = useMediaQuery('(prefers-color-scheme: dark)', { noSsr: true })
  const theme = useMemo(() => getTheme(mode === 'dark' || (mode === 'system' && systemIsDark) ? 'dark' : 'light'), [mode, systemIsDark])
  const choose = (next: Mode) => {
    localStorage.setItem('theme', next)
    setMode(next)
  }
  const themeMode = useMemo(() => ({ mode, choose }), [mode])
  return (
    <ThemeMode.Provider value={themeMode}>
      <ThemeProvider theme={theme}>
        <CssBaseline enableColorScheme />
        <RouterProvider router={router} />
      </ThemeProvider>
    </ThemeMode.Provider>
  )
}

function Layout() {
  const { pathname } = useLocation()
  return (
    <>
      <AppBar position="sticky" color="default" elevation={0} sx={{ borderBottom: 1, borderColor: 'divider', height: 49, justifyContent: 'center', zIndex: 10 }}>
        <Stack direction="row" alignItems="center" gap={1} px={2} component="nav" aria-label="Pages">
          <Box component="img" src="/icon.svg" alt="" width={24} height={24} />
          <Box component="strong" mr={2}>
            Throughline
          </Box>
          {[
            ['/dashboards/message-flow', 'Dashboards'],
            ['/search', 'Traces'],
            ['/flow', 'Flow'],
            ['/score', 'Score'],
          ].map(([to, label]) => (
            <Button key={to} component={NavLink} to={to!} size="small" color={pathname.startsWith(to!.replace('/message-flow', '')) || (to === '/search' && pathname.startsWith('/trace')) ? 'primary' : 'inherit'}>
              {label}
            </Button>
          ))}
          <Box flex={1} />
          <Faults />
          <OpenTrace />
          <Elsewhere />
          <Theme />
        </Stack>
      </AppBar>
      <Boundary key={pathname}>
        <Suspense fallback={<LinearProgress />}>
          <Outlet />
        </Suspense>
      </Boundary>
    </>
  )
}

/** Jaeger's pages say /trace, its API and Tempo's say /traces: either is typed. */
function TraceByAnotherName() {
  const { id } = useParams()
  const { search } = useLocation()
  return <Navigate to={`/trace/${id}${search}`} replace />
}

function OpenTrace() {
  const navigate = useNavigate()
  return (
    <Box
      component="form"
      onSubmit={(event) => {
        event.preventDefault()
        const id = String(new FormData(event.currentTarget as HTMLFormElement).get('id')).trim()
        if (id) navigate(`/trace/${encodeURIComponent(id)}`)
      }}
    >
      <InputBase name="id" placeholder="Trace id ⏎" spellCheck={false} inputProps={{ 'aria-label': 'Trace id' }} sx={{ border: 1, borderColor: 'divider', borderRadius: 1, px: 1, fontSize: 13, width: 260, fontFamily: 'monospace' }} />
    </Box>
  )
}

/** The parts' own pages, and the APIs of those that have none. */
function Elsewhere() {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null)
  const links = Object.entries(useConfig()?.links ?? {})
  if (!links.length) return null
  return (
    <>
      <Button size="small" color="inherit" onClick={(event) => setAnchor(event.currentTarget)} aria-haspopup="menu">
        Elsewhere
      </Button>
      <Menu open={!!anchor} anchorEl={anchor} onClose={() => setAnchor(null)}>
        {links.map(([name, href]) => (
          <MenuItem key={name} component="a" href={href} target="_blank" rel="noreferrer">
            {name.replace('-api', ' API')} {href}
          </MenuItem>
        ))}
      </Menu>
    </>
  )
}

function Theme() {
  const { mode, choose } = useContext(ThemeMode)
  return (
    <Button size="small" color="inherit" onClick={() => choose(modes[(modes.indexOf(mode) + 1) % modes.length]!)} aria-label={`Theme: ${mode}`} title={`Theme: ${mode}`} data-theme={mode}>
      {marks[mode]}
    </Button>
  )
}

class Boundary extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {}
  static getDerivedStateFromError(error: Error) {
    return { error }
  }
  render() {
    const { error } = this.state
    if (!error) return this.props.children
    return (
      <Box p={4}>
        <Alert severity="error" action={<Button onClick={() => this.setState({ error: undefined })}>Try again</Button>}>
          This page has failed: {error.message}
        </Alert>
      </Box>
    )
  }
}
