import { Alert, AppBar, Box, Button, CssBaseline, InputBase, LinearProgress, Menu, MenuItem, Stack, ThemeProvider, useMediaQuery } from '@mui/material'
import { getTheme } from '@perses-dev/components'
import { useQuery } from '@tanstack/react-query'
import { Component, lazy, Suspense, useMemo, useState, type ReactNode } from 'react'
import { createBrowserRouter, Navigate, NavLink, Outlet, RouterProvider, useLocation, useNavigate } from 'react-router-dom'

const Dashboard = lazy(() => import('./dashboards/page'))
const Trace = lazy(() => import('./trace/page'))
const Search = lazy(() => import('./search/page'))
const Flow = lazy(() => import('./flow/page'))

const router = createBrowserRouter([
  {
    element: <Layout />,
    children: [
      { path: '/', element: <Navigate to="/dashboards/message-flow" replace /> },
      { path: '/dashboards', element: <Navigate to="/dashboards/message-flow" replace /> },
      { path: '/dashboards/:uid', element: <Dashboard /> },
      { path: '/trace/:id', element: <Trace /> },
      { path: '/search', element: <Search /> },
      { path: '/flow', element: <Flow /> },
      { path: '*', element: <Box p={4}>There is no such page. The pages are named above.</Box> },
    ],
  },
])

type Mode = 'system' | 'light' | 'dark'
const modes: Mode[] = ['system', 'light', 'dark']
const marks: Record<Mode, string> = { system: '◐', light: '☀', dark: '☾' }
const stored = () => modes.find((mode) => mode === localStorage.getItem('theme')) ?? 'system'
let choose: (mode: Mode) => void = () => {}

export function App() {
  const [mode, setMode] = useState<Mode>(stored)
  choose = (next) => {
    localStorage.setItem('theme', next)
    setMode(next)
  }
  const systemIsDark = useMediaQuery('(prefers-color-scheme: dark)', { noSsr: true })
  const theme = useMemo(() => getTheme(mode === 'dark' || (mode === 'system' && systemIsDark) ? 'dark' : 'light'), [mode, systemIsDark])
  return (
    <ThemeProvider theme={theme}>
      <CssBaseline enableColorScheme />
      <RouterProvider router={router} />
    </ThemeProvider>
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
          ].map(([to, label]) => (
            <Button key={to} component={NavLink} to={to!} size="small" color={pathname.startsWith(to!.replace('/message-flow', '')) || (to === '/search' && pathname.startsWith('/trace')) ? 'primary' : 'inherit'}>
              {label}
            </Button>
          ))}
          <Box flex={1} />
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

interface Config {
  version: string
  links: Record<string, string>
}

/** The parts' own pages, as far as they run. */
function Elsewhere() {
  const { data } = useQuery({ queryKey: ['config'], queryFn: async () => (await (await fetch('/api/config')).json()) as Config, staleTime: Infinity })
  const [anchor, setAnchor] = useState<HTMLElement | null>(null)
  const links = Object.entries(data?.links ?? {})
  if (!links.length) return null
  return (
    <>
      <Button size="small" color="inherit" onClick={(event) => setAnchor(event.currentTarget)} aria-haspopup="menu">
        Elsewhere
      </Button>
      <Menu open={!!anchor} anchorEl={anchor} onClose={() => setAnchor(null)}>
        {links.map(([name, href]) => (
          <MenuItem key={name} component="a" href={href} target="_blank" rel="noreferrer">
            {name} {href}
          </MenuItem>
        ))}
      </Menu>
    </>
  )
}

function Theme() {
  const mode = stored()
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
