import { useEffect, useState } from 'react'

/** The size of an element, kept up to date. */
export function useSize<T extends HTMLElement>() {
  const [element, ref] = useState<T | null>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  useEffect(() => {
    if (!element) return
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect
      setSize({ width: Math.floor(width), height: Math.floor(height) })
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [element])
  return { ref, element, ...size }
}
