import { interleave, type Plan, type Subject } from '../measure/interleave.ts'
import type { Progress } from '../measure/progress.ts'
import { type Generations, ratioOf, spreadOf } from '../measure/spread.ts'
import type { BudgetLine, Row, Table } from '../report/result.ts'
import type { HandshakeCase } from './handshake-case.ts'
import { startHandshakeSubject } from './handshake-subject.ts'
import { issueLeaves, type Leaves } from './issue-leaves.ts'

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
  const leaves = await issueLeaves(handshakeCase, plan)
  const times = await interleave(subjects, start(leaves), plan, progress.count(title))
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
  { title: 'P-256, 300 trust domains', keyType: 'P-256', hasIntermediate: false, trustDomains: 300 },
]

const subjects = [
  'seen before, bare',
  'seen before, Countersign',
  'never seen, bare',
  'never seen, Countersign',
] as const

// More than a thousand connections before the first counted one: a service that has just started runs code that is not compiled
// yet, ours and Node's.
const usual: Plan = { generations: 3, warmUp: 24, rounds: 8, turns: 3 }
const quick: Plan = { generations: 3, warmUp: 12, rounds: 6, turns: 2 }

function start(leaves: Leaves): (name: (typeof subjects)[number]) => Promise<Subject> {
  return (name) =>
    startHandshakeSubject(name.endsWith('Countersign') ? 'everything' : 'nothing', name.startsWith('never'), leaves)
}

function compare(
  { title }: HandshakeCase,
  kind: 'seen before' | 'never seen',
  bare: Generations,
  guarded: Generations,
): readonly Row[] {
  const line: BudgetLine =
    kind === 'seen before' ? 'new connection, certificate seen before' : 'new connection, certificate never seen'
  const most = kind === 'seen before' ? 1.05 : 1.4
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
