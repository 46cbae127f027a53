import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createContext } from '../handshake/open-connections.ts'
import { interleave, type Plan, type Subject } from '../measure/interleave.ts'
import type { Progress } from '../measure/progress.ts'
import { ratioOf, spreadOf } from '../measure/spread.ts'
import type { Row, Table } from '../report/result.ts'
import { openHttp1Load } from '../request/http1-load.ts'
import { path } from '../workload.ts'
import { askOnceEach } from './ask-once.ts'
import { type Callers, issueCallers } from './issue-callers.ts'
import { createOwnPlatforms } from './own-platforms.ts'
import type { Mode, Platform, RunningServer, WarmUp } from './platform.ts'
import { describeError, preparePlatforms } from './prepare-platforms.ts'

/** The overhead of authentication and authorization on other platforms, beside that of Countersign. */
export async function* measurePlatforms(progress: Progress): AsyncGenerator<Table> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-platforms-'))
  try {
    progress.note('issuing certificates')
    const { warmUp, rounds, turns } = connectionPlan
    const callers = await issueCallers((warmUp + rounds) * turns * connectionsPerTurn, folder)
    const { platforms, notes } = await preparePlatforms(folder, callers, progress)
    const all: Compared = { platforms, own: createOwnPlatforms(callers.server), progress }
    yield* await compare(all, {
      title: 'Requests over kept connections, HTTP/1.1, 16 connections, allowed',
      note: notes.join(' '),
      plan: requestPlan,
      prepare: (server, warmUp) => prepareRequests(server, warmUp, callers),
    })
    for (const kind of ['seen before', 'never seen'] as const) {
      yield* await compare(all, {
        title: `New connections with one request each, certificate ${kind}`,
        note: connectionNotes[kind],
        plan: connectionPlan,
        prepare: (server, warmUp) => prepareConnections(server, warmUp, callers, kind),
      })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const connectionNotes = {
  'seen before':
    "The bare servers verify the certificate as well. go-spiffe and Envoy's SPIFFE validator replace that verification; Countersign verifies in addition, once for each certificate.",
  'never seen': 'Each connection presents another certificate of the same caller.',
} as const

const requestPlan: Plan = { generations: 3, warmUp: 3, rounds: 6, turns: 4 }
const requestsPerTurn = 400
const connectionPlan: Plan = { generations: 2, warmUp: 2, rounds: 7, turns: 2 }
const connectionsPerTurn = 20
const lanes = 4

interface Compared {
  readonly platforms: readonly Platform[]
  readonly own: readonly Platform[]
  readonly progress: Progress
}

interface Comparison {
  readonly title: string
  readonly note?: string
  readonly plan: Plan
  /** Warms a server up and returns its load. */
  readonly prepare: (server: RunningServer, warmUp: WarmUp) => Promise<Load>
}

interface Load {
  /** Sends one turn, and returns how many requests or connections it had. */
  send(): Promise<number>
  close(): void
}

/** Measures one table. If a server fails, the table is left out, and the others are still measured. */
async function compare(compared: Compared, comparison: Comparison): Promise<readonly Table[]> {
  const running: RunningServer[] = []
  const start = async (platform: Platform, mode: Mode): Promise<RunningServer> => {
    const server = await platform.start(mode)
    running.push(server)
    return server
  }
  try {
    return [await measureTable(compared, comparison, start)]
  } catch (error) {
    process.stderr.write(`platforms: ${comparison.title} was not measured: ${describeError(error)}\n`)
    return []
  } finally {
    for (const server of running) await server.stop()
  }
}

async function measureTable(
  { platforms, own, progress }: Compared,
  comparison: Comparison,
  start: (platform: Platform, mode: Mode) => Promise<RunningServer>,
): Promise<Table> {
  const { title, note, plan, prepare } = comparison
  progress.note(`${title}: starting servers`)
  // The Node.js servers start last: they close connections that are idle while another one starts.
  const subjects = new Map([...platforms, ...own].flatMap(nameSubjects))
  const times = await interleave(
    [...subjects.keys()],
    async (name) => {
      const { platform, mode } = subjects.get(name) ?? fail(name)
      return createSubject(await start(platform, mode), (server) => prepare(server, platform.warmUp))
    },
    plan,
    progress.count(title),
  )
  const rows = [...own, ...platforms].flatMap((platform): readonly Row[] => {
    const [bare, guarded] = [times[nameOf(platform, 'bare')] ?? [], times[nameOf(platform, 'guarded')] ?? []]
    return [
      { what: nameOf(platform, 'bare'), unit: 'µs', spread: spreadOf(bare) },
      { what: nameOf(platform, 'guarded'), unit: 'µs', spread: spreadOf(guarded), ratio: ratioOf(guarded, bare) },
    ]
  })
  return { title, against: 'bare', ...(note !== undefined && { note }), rows }
}

function nameSubjects(platform: Platform): [string, { readonly platform: Platform; readonly mode: Mode }][] {
  return (['bare', 'guarded'] as const).map((mode) => [nameOf(platform, mode), { platform, mode }])
}

function nameOf({ name, guard }: Platform, mode: Mode): string {
  return `${name}, ${mode === 'bare' ? 'bare' : guard}`
}

function fail(name: string): never {
  throw new Error(`found no subject ${name}`)
}

async function createSubject(
  server: RunningServer,
  prepare: (server: RunningServer) => Promise<Load>,
): Promise<Subject> {
  const load = await prepare(server)
  return {
    measure: async () => {
      const before = await server.time()
      const count = await finish(load.send())
      return ((await server.time()) - before) / count
    },
    stop: async () => {
      load.close()
      await server.stop()
    },
  }
}

/** Waits for a turn. A connection that was closed between two turns would never answer. */
async function finish(turn: Promise<number>): Promise<number> {
  const ended = new AbortController()
  const late = setTimeout(patience, undefined, { signal: ended.signal }).then((): never => {
    throw new Error(`a turn took longer than ${patience / 1000} seconds`)
  })
  try {
    return await Promise.race([turn, late])
  } finally {
    late.catch(() => undefined)
    ended.abort()
  }
}

const patience = 60_000

async function prepareRequests({ port }: RunningServer, warmUp: WarmUp, { keyPem, chains }: Callers): Promise<Load> {
  const [cert] = chains
  // The identity of the server is not what is measured.
  const options = { host: '127.0.0.1', port, key: keyPem, cert, rejectUnauthorized: false }
  const load = await openHttp1Load(options, 16, { path, status: 200 })
  await load.send(warmUp.requests)
  return {
    send: async () => {
      await load.send(requestsPerTurn)
      return requestsPerTurn
    },
    close: () => load.close(),
  }
}

async function prepareConnections(
  { port }: RunningServer,
  warmUp: WarmUp,
  { keyPem, chains }: Callers,
  kind: 'seen before' | 'never seen',
): Promise<Load> {
  const [first = ''] = chains
  const known = createContext(keyPem, first)
  const repeat = (count: number): readonly (typeof known)[] => Array.from({ length: count }, () => known)
  const ask = (contexts: readonly (typeof known)[]): Promise<void> =>
    askOnceEach(port, contexts, { lanes, status: 200 })
  await ask(repeat(warmUp.connections))
  let used = 0
  return {
    send: async () => {
      const next = chains.slice(used, used + connectionsPerTurn).map((chain) => createContext(keyPem, chain))
      used += connectionsPerTurn
      await ask(kind === 'seen before' ? repeat(connectionsPerTurn) : next)
      return connectionsPerTurn
    },
    close: () => undefined,
  }
}
