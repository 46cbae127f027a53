import { parseArgs } from 'node:util'
import { workloadApiSource } from '@countersign/workload-api'
import { demonstrate } from './demonstrate.ts'
import { listen } from './listen.ts'
import { askServiceB, waitForRotation } from './service-a.ts'
import { createServiceB } from './service-b.ts'

const given = readArguments()
if (typeof given === 'string') {
  console.error(given)
  console.error('usage: node --import tsx examples/tls-pair/src/main.ts [--ttl <seconds>]')
  console.error('       node --import tsx examples/tls-pair/src/main.ts service-a|service-b [--port <port>]')
  process.exitCode = 2
} else if (given.role === undefined) {
  process.exitCode = await demonstrate(given.ttlSeconds)
} else {
  await runAlone(given.role, given.port)
}

/**
 * Runs one of the two services in a separate process. SPIRE's agent identifies the process by its account; for other
 * agents, `SVID_HINT` selects the SVID.
 */
async function runAlone(name: 'service-a' | 'service-b', port: number): Promise<void> {
  const { SVID_HINT: hint } = process.env
  const source = await workloadApiSource(hint === undefined ? {} : { hint })
  if (name === 'service-b') {
    const server = createServiceB(source, (event) => console.log('service-b ', JSON.stringify(event)))
    console.log(`service-b  listens on 127.0.0.1:${await listen(server, port)}`)
    return
  }
  do await askServiceB(source, port)
  while (await waitForRotation(source))
}

interface Arguments {
  readonly role: 'service-a' | 'service-b' | undefined
  readonly port: number
  readonly ttlSeconds: number
}

/** Parses the command line; returns an error message as text. */
function readArguments(): Arguments | string {
  try {
    const options = { ttl: { type: 'string', default: '5' }, port: { type: 'string', default: '7443' } } as const
    const { values, positionals } = parseArgs({ options, allowPositionals: true })
    const [ttlSeconds, port] = [Number(values.ttl), Number(values.port)]
    const [role, ...more] = positionals
    if (!(ttlSeconds >= 3 && ttlSeconds <= 60)) return `found --ttl ${values.ttl}, expected 3 to 60 seconds`
    if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) return `found --port ${values.port}, expected a port`
    const isKnown = role === undefined || role === 'service-a' || role === 'service-b'
    if (isKnown && more.length === 0) return { role, port, ttlSeconds }
    return `found ${positionals.join(' ')}, expected service-a, service-b or nothing`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
