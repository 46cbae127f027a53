import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import type { Subject } from '../measure/interleave.ts'
import { connectionsPerTurn, type Leaves } from './issue-leaves.ts'
import type { HandshakeTask } from './handshake-case.ts'
import { createContext, openConnections } from './open-connections.ts'

/**
 * Starts a server in its own process. Each turn returns the server's microseconds per new connection.
 *
 * @param isNew whether every connection presents another certificate
 */
export async function startHandshakeSubject(
  part: HandshakeTask['part'],
  isNew: boolean,
  { server, keyPem, chains }: Leaves,
): Promise<Subject> {
  const task: HandshakeTask = { part, material: server }
  const started = await MeasuredProcess.start(new URL('./handshake-server.js', import.meta.url), task)
  const port = expectNumber(started.answer)
  const [first = ''] = chains
  const known = Array.from({ length: connectionsPerTurn }, () => createContext(keyPem, first))
  let used = 0
  const choose = (): typeof known => {
    if (!isNew) return known
    const next = chains.slice(used, used + connectionsPerTurn)
    used += connectionsPerTurn
    return next.map((chain) => createContext(keyPem, chain))
  }
  if (!isNew) await openConnections(port, known.slice(0, 1), 1)
  return {
    measure: async () => {
      const contexts = choose()
      const before = await started.process.askNumber('time')
      await openConnections(port, contexts, lanes)
      return ((await started.process.askNumber('time')) - before) / contexts.length
    },
    stop: () => started.process.stop(),
  }
}

const lanes = 4
