import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import { interleave, type Plan, type Subject } from '../measure/interleave.ts'
import type { Progress } from '../measure/progress.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { BudgetLine, Row, Table } from '../report/result.ts'
import type { HandshakeCase, HandshakeTask } from './handshake-case.ts'
import { issueLeaves, type Leaves } from './issue-leaves.ts'
import { createContext, openConnections } from './open-connections.ts'

/** The server's processor time for opening and closing each new connection, without a request on it. */
export async function* measureHandshakes(progress: Progress): AsyncGenerator<Table> {
  for (const handshakeCase of cases) yield await measureCase(handshakeCase, usual, progress)
}

/** The first case, with few rounds. */
export async function* measureFewHandshakes(progress: Progress): AsyncGenerator<Table> {
  for (const handshakeCase of cases.slice(0, 1)) yield await measureCase(handshakeCase, quick, progress)
}

async function measureCase(handshakeCase: HandshakeCase, plan: Plan, progress: Progress): Promise<Table> {
  const { title } = handshakeCase
  progress.note(`${title}: issuing certificates`)
  const leaves = await issueLeaves(handshakeCase, (plan.warmUp + plan.rounds) * plan.turns * perTurn)
  const times = await interleave(subjects, (name) => startSubject(name, leaves), plan, progress.count(title))
  return {
    title,
    against: 'bare',
    rows: [
      ...compare(handshakeCase, 'seen before', times['seen before, bare'], times['seen before, Countersign']),
      ...compare(handshakeCase, 'never seen', times['never seen, bare'], times['never seen, Countersign']),
    ],
  }
}

const cases: readonly HandshakeCase[] = [
  { title: 'P-256', keyType: 'P-256', hasIntermediate: false, trustDomains: 1 },
  { title: 'P-256, with an intermediate', keyType: 'P-256', hasIntermediate: true, trustDomains: 1 },
  { title: 'RSA 2048', keyType: 'RSA-2048', hasIntermediate: false, trustDomains: 1 },
  { title: 'Ed25519', keyType: 'Ed25519', hasIntermediate: false, trustDomains: 1 },
  { title: 'P-256, 10 trust domains', keyType: 'P-256', hasIntermediate: false, trustDomains: 10 },
  { title: 'P-256, 300 trust domains', keyType: 'P-256', hasIntermediate: false, trustDomains: 300 },
]

const subjects = [
  'seen before, bare',
  'seen before, Countersign',
  'never seen, bare',
  'never seen, Countersign',
] as const

const usual: Plan = { generations: 3, warmUp: 2, rounds: 8, turns: 3 }
const quick: Plan = { generations: 3, warmUp: 2, rounds: 6, turns: 2 }
const perTurn = 20
const lanes = 4

async function startSubject(name: (typeof subjects)[number], { server, keyPem, chains }: Leaves): Promise<Subject> {
  const task: HandshakeTask = { isGuarded: name.endsWith('Countersign'), material: server }
  const started = await MeasuredProcess.start(new URL('./handshake-server.js', import.meta.url), task)
  const port = expectNumber(started.answer)
  const [first = ''] = chains
  const known = Array.from({ length: perTurn }, () => createContext(keyPem, first))
  let used = 0
  const choose = (): typeof known => {
    if (name.startsWith('seen')) return known
    const next = chains.slice(used, used + perTurn)
    used += perTurn
    return next.map((chain) => createContext(keyPem, chain))
  }
  if (name.startsWith('seen')) await openConnections(port, known.slice(0, 1), 1)
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

function compare(
  { title }: HandshakeCase,
  kind: 'seen before' | 'never seen',
  bare: Generations,
  guarded: Generations,
): readonly Row[] {
  const line: BudgetLine =
    kind === 'seen before' ? 'new connection, certificate seen before' : 'new connection, certificate never seen'
  const most = kind === 'seen before' ? 1.05 : 1.5
  return [
    { what: `${kind}, bare`, unit: 'µs', spread: spreadOf(bare) },
    {
      what: `${kind}, Countersign`,
      unit: 'µs',
      spread: spreadOf(guarded),
      ratio: ratioOf(guarded, bare),
      budget: { line, what: title, most, of: 'ratio' },
    },
  ]
}
