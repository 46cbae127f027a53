import { setTimeout } from 'node:timers/promises'
import autocannon from 'autocannon'
import type { Framework } from '../subject.ts'
import { callerId, path } from '../workload.ts'
import { createAgentRotation } from './agent-rotation.ts'
import { createFileRotation } from './file-rotation.ts'
import type { Rotation } from './rotation.ts'
import type { SoakReport } from './report.ts'
import { SoakServer } from './soak-server-process.ts'
import { watchHandshakes } from './watch-handshakes.ts'

/** The options of a soak. */
export interface SoakOptions {
  readonly framework: Framework
  readonly how: Rotation['how']
  /** The duration, and also the number of rotations, one per second. */
  readonly seconds: number
  /** Requests per second over all connections. */
  readonly rate: number
}

/** Runs a service in a separate process, loads it over kept connections, and replaces its certificate every second. */
export async function soak({ framework, how, seconds, rate }: SoakOptions): Promise<SoakReport> {
  const rotation = await (how === 'files' ? createFileRotation() : createAgentRotation())
  try {
    const server = await SoakServer.start(framework, rotation)
    try {
      const { authority } = rotation
      const caller = await authority.issue(callerId, { ttlSeconds: seconds + 3600 })
      const identity = { key: caller.keyPem, cert: caller.certificatePem }
      const handshakes = watchHandshakes({ ...identity, port: server.port, path, ca: authority.bundlePem })
      const load = autocannon({
        url: `https://127.0.0.1:${server.port}${path}`,
        connections: 16,
        overallRate: rate,
        duration: seconds,
        tlsOptions: identity,
      })
      await rotate(rotation, seconds)
      const result = await load
      const seen = await handshakes.stop()
      return {
        framework,
        how,
        seconds,
        requests: result['2xx'],
        failures: result.errors + result.timeouts + result.non2xx + result.resets,
        rotations: seconds,
        rotationsSeen: seen.serialNumbers.length - 1,
        handshakes: seen.handshakes,
        handshakeFailures: seen.failures,
        memory: await server.readMemory(),
      }
    } finally {
      await server.stop()
    }
  } finally {
    await rotation.close()
  }
}

async function rotate(rotation: Rotation, seconds: number): Promise<void> {
  const start = performance.now()
  for (let second = 1; second <= seconds; second += 1) {
    // Half a second before the end of the load, so that the last rotation is also under load.
    await setTimeout(Math.max(0, start + second * 1000 - 500 - performance.now()))
    await rotation.next()
  }
}
