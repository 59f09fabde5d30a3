import { useQuery } from '@tanstack/react-query'
import { read } from './backends/request'

interface Config {
  version: string
  links: Record<string, string>
  /** Faults can be started from here. */
  faults: boolean
}

/** What the console's server says of itself. */
export const useConfig = () => useQuery({ queryKey: ['config'], queryFn: () => read<Config>('/api/config', 'The console'), staleTime: Infinity }).data
