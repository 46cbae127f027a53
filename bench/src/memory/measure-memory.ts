import type { Progress } from '../measure/progress.ts'
import type { Table } from '../report/result.ts'
import { measureCaches } from './measure-cache.ts'
import { measureConnections } from './measure-connections.ts'
import { measureScale } from './measure-scale.ts'

/** Measures the memory of open connections and of caches, and the processor time of many connections. */
export async function* measureMemory(progress: Progress): AsyncGenerator<Table> {
  progress.note('processor time of many connections')
  yield await measureScale()
  progress.note('open connections and caches')
  // Together, because a million SVIDs take minutes, and other load does not change how much memory is in use.
  const [connections, caches] = await Promise.all([measureConnections(), measureCaches()])
  yield* connections
  yield* caches
}
