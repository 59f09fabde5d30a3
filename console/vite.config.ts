import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// A development server reaches the stores itself, where the built page asks the console's own proxy.
const port = (name: string, otherwise: number) => process.env[name] ?? otherwise
const stores = {
  prometheus: `http://127.0.0.1:${port('PROMETHEUS_PORT', 9090)}`,
  loki: `http://127.0.0.1:${port('LOKI_PORT', 10080)}`,
  tempo: `http://127.0.0.1:${port('TEMPO_PORT', 6566)}`,
  jaeger: `http://127.0.0.1:${port('JAEGER_QUERY_PORT', 16686)}`,
}
const proxy = Object.fromEntries(
  Object.entries(stores).map(([name, target]) => [
    `/proxy/${name}`,
    { target, rewrite: (path: string) => path.replace(`/proxy/${name}`, '') },
  ]),
)

export default defineConfig({
  plugins: [react()],
  define: { global: 'globalThis' },
  server: { host: '127.0.0.1', proxy, fs: { allow: ['..'] } },
  preview: { host: '127.0.0.1', proxy },
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    // Perses does not say that its modules may be left out where nothing of them is used.
    rollupOptions: { treeshake: { moduleSideEffects: (id) => !id.includes('/@perses-dev/') } },
  },
})
