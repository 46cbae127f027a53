import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import autocannon from 'autocannon'
import type { Framework } from '../subject.ts'
import { callerId, path } from '../workload.ts'
import { createRotation, type Rotation } from './rotation.ts'
import type { SoakReport } from './report.ts'
import { SoakServer } from './soak-server-process.ts'
import { watchHandshakes } from './watch-handshakes.ts'

/** What a soak runs. */
export interface SoakOptions {
  readonly framework: Framework
  /** As long as it takes, and as many rotations. */
  readonly seconds: number
  /** Requests a second, over all connections. */
  readonly rate: number
}

/** Runs a service in a process of its own, loads it over kept connections, and replaces its files every second. */
export async function soak({ framework, seconds, rate }: SoakOptions): Promise<SoakReport> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-soak-'))
  try {
    const rotation = await createRotation(folder)
    const server = await SoakServer.start(framework, folder)
    try {
      const caller = await rotation.authority.issue(callerId, { ttlSeconds: seconds + 3600 })
      const identity = { key: caller.keyPem, cert: caller.certificatePem }
      const handshakes = watchHandshakes({ ...identity, port: server.port, path, ca: rotation.authority.bundlePem })
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
        seconds,
        requests: result['2xx'],
        failures: result.errors + result.timeouts + result.non2xx + result.resets,
        rotations: rotation.serialNumbers.length - 1,
        rotationsSeen: seen.serialNumbers.filter((serial) => rotation.serialNumbers.includes(serial)).length - 1,
        handshakes: seen.handshakes,
        handshakeFailures: seen.failures,
        memory: await server.readMemory(),
      }
    } finally {
      await server.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function rotate(rotation: Rotation, seconds: number): Promise<void> {
  const start = performance.now()
  for (let second = 1; second <= seconds; second += 1) {
    // Half a second before the end of the load, so that the last rotation is under load as well.
    await setTimeout(Math.max(0, start + second * 1000 - 500 - performance.now()))
    await rotation.next()
  }
}
