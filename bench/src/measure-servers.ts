import { ServerProcess } from './server-process.ts'
import { ratioOf, spreadOf } from './spread.ts'
import { type Check, checks, type Framework } from './subject.ts'
import type { Row } from './table.ts'
import type { Identities } from './workload.ts'

/**
 * The server's processor time for each request, bare, with Countersign and with the hand-written check. Every round
 * goes to each of them, each time beginning with another. Takes about a minute.
 */
export async function measureServers(framework: Framework, identities: Identities): Promise<readonly Row[]> {
  const servers = await Promise.all(checks.map((check) => ServerProcess.start(framework, check, identities)))
  const times: Record<Check, number[]> = { none: [], countersign: [], handwritten: [] }
  let end = Number.POSITIVE_INFINITY
  for (let round = 0; round < warmUpRounds + leastRounds || performance.now() < end; round += 1) {
    if (round === warmUpRounds) end = performance.now() + milliseconds
    const turn = round % servers.length
    for (const server of [...servers.slice(turn), ...servers.slice(0, turn)]) {
      const microseconds = await server.measureRound()
      if (round >= warmUpRounds) times[server.check].push(microseconds)
    }
  }
  for (const server of servers) server.stop()
  const { none, countersign, handwritten } = times
  return [
    { what: `${framework}, bare`, spread: spreadOf(none), unit: 'µs' },
    { what: `${framework}, Countersign`, spread: spreadOf(countersign), unit: 'µs' },
    { what: `${framework}, hand-written`, spread: spreadOf(handwritten), unit: 'µs' },
    { what: `${framework}, Countersign against bare`, spread: ratioOf(countersign, none), unit: '×', budget: 1.05 },
    { what: `${framework}, hand-written against bare`, spread: ratioOf(handwritten, none), unit: '×' },
  ]
}

// Until the compiler of a server has settled: its first rounds cost several times the later ones.
const warmUpRounds = 8
const leastRounds = 7
const milliseconds = 40_000
