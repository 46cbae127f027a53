/** A server in a process of its own, so that its processor time is its own: `server.ts <framework> <check>`. */
import { createGuard, type MaterialInput, staticSource } from '@countersign/core'
import { createCpuMeter } from './cpu-meter.ts'
import { startExpress } from './express-server.ts'
import { startFastify } from './fastify-server.ts'
import { checks, frameworks } from './subject.ts'
import { rules } from './workload.ts'

const framework = frameworks.find((name) => name === process.argv[2])
const check = checks.find((name) => name === process.argv[3])
if (framework === undefined || check === undefined) throw new Error('expected a framework and a check')

// The first message brings key and certificates; what goes back is the port and then a figure for each round.
process.once('message', (material: MaterialInput) => {
  const guard = createGuard({ source: staticSource(material), rules })
  const meter = createCpuMeter((microseconds) => process.send?.(microseconds))
  const start = framework === 'Fastify' ? startFastify : startExpress
  void start(guard, check, meter).then((port) => process.send?.(port))
})
process.once('disconnect', () => process.exit())
