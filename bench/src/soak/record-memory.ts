/** Heap and external bytes after a garbage collection, every two seconds from now on. */
export function recordMemory(): readonly number[] {
  const memory: number[] = []
  setInterval(() => {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    memory.push(heapUsed + external)
  }, 2000).unref()
  return memory
}
