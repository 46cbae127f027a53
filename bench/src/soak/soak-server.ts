/** The service of a soak, in a separate process: `soak-server.ts <framework> <how> <place>`. */
import { join } from 'node:path'
import { createGuard, fileSource, type X509Source } from '@countersign/core'
import { workloadApiSource } from '@countersign/workload-api'
import { startExpress } from '../express-server.ts'
import { startFastify } from '../fastify-server.ts'
import { rules } from '../workload.ts'
import { recordMemory } from './record-memory.ts'
import { files } from './file-rotation.ts'

const [, , framework, how, place = ''] = process.argv
const source = await (how === 'workload-api' ? workloadApiSource({ endpoint: place }) : openFiles(place))
const guard = createGuard({ source, rules })
const start = framework === 'Express' ? startExpress : startFastify
const port = await start(guard, 'countersign', { count: () => undefined })

const memory = recordMemory()

process.on('message', () => process.send?.(memory))
process.once('disconnect', () => process.exit())
process.send?.(port)

function openFiles(folder: string): Promise<X509Source> {
  return fileSource({
    key: join(folder, files.key),
    cert: join(folder, files.cert),
    bundles: { 'saas.example': join(folder, files.bundle) },
  })
}
