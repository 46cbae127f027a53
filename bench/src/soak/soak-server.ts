/** The service of a soak, in a process of its own: `soak-server.ts <framework> <folder>`. */
import { join } from 'node:path'
import { createGuard, fileSource } from '@countersign/core'
import { startExpress } from '../express-server.ts'
import { startFastify } from '../fastify-server.ts'
import { rules } from '../workload.ts'
import { files } from './rotation.ts'

const [, , framework, folder = ''] = process.argv
const source = await fileSource({
  key: join(folder, files.key),
  cert: join(folder, files.cert),
  bundles: { 'saas.example': join(folder, files.bundle) },
})
const guard = createGuard({ source, rules })
const start = framework === 'Express' ? startExpress : startFastify
const port = await start(guard, 'countersign', { count: () => undefined })

const memory: number[] = []
setInterval(() => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  memory.push(heapUsed + external)
}, 2000).unref()

process.on('message', () => process.send?.(memory))
process.once('disconnect', () => process.exit())
process.send?.(port)
