import { interleave, type Plan, type Subject } from '../measure/interleave.ts'
import type { Progress } from '../measure/progress.ts'
import { differenceOf, ratioOf, spreadOf } from '../measure/spread.ts'
import { issueLeaves } from '../handshake/issue-leaves.ts'
import { startHandshakeSubject } from '../handshake/handshake-subject.ts'
import type { HandshakeTask } from '../handshake/handshake-case.ts'
import type { Row, Table } from '../report/result.ts'
import { startRequestSubject } from '../request/request-subject.ts'
import type { Check, Framework } from '../subject.ts'
import { issueIdentities } from '../workload.ts'
import { measureVerification } from './measure-verification.ts'

/** Splits what Countersign adds to a request and to a new connection by servers that do only a part of it. */
export async function* measureAttribution(progress: Progress): AsyncGenerator<Table> {
  yield await measureParts('Fastify', progress)
  yield await measureParts('Express', progress)
  yield await measureHandshakeParts(progress)
  progress.note('verification')
  yield await measureVerification()
}

/** Any framework: the parts from the least to the whole. */
const parts: readonly { readonly what: string; readonly check: Check }[] = [
  { what: 'bare', check: 'none' },
  { what: 'emit wrapped, nothing else', check: 'wrapped' },
  { what: 'empty hook or middleware, nothing else', check: 'empty' },
  { what: 'hook or middleware that adds a property', check: 'property' },
  { what: 'guard attached, framework unaware', check: 'attached' },
  { what: 'Countersign', check: 'countersign' },
  { what: "Countersign, with the route's allow", check: 'countersign and allow' },
]

const requestPlan: Plan = { generations: 8, warmUp: 5, rounds: 3, turns: 6 }

async function measureParts(framework: Framework, progress: Progress): Promise<Table> {
  const identities = await issueIdentities()
  const title = `${framework}: parts of a request`
  const usual = { framework, http: 1, connections: 16, rules: 3, isAllowed: true, logs: false } as const
  const start = (name: string): Promise<Subject> => {
    const check = parts.find(({ what }) => what === name)?.check ?? 'none'
    return startRequestSubject({ ...usual, check }, identities, framework === 'Fastify' ? 400 : 200)
  }
  const names = parts.map(({ what }) => what)
  return compareParts(title, await interleave(names, start, requestPlan, progress.count(title)), names)
}

const handshakeParts: readonly {
  readonly what: string
  readonly part: HandshakeTask['part']
  readonly isNew: boolean
}[] = [
  { what: 'bare', part: 'nothing', isNew: false },
  { what: 'peer address read, nothing else', part: 'address', isNew: false },
  { what: 'TLS session serialized, nothing else', part: 'session', isNew: false },
  { what: 'Countersign, certificate seen before', part: 'everything', isNew: false },
  { what: 'Countersign, certificate never seen', part: 'everything', isNew: true },
]

const handshakePlan: Plan = { generations: 8, warmUp: 16, rounds: 4, turns: 3 }

async function measureHandshakeParts(progress: Progress): Promise<Table> {
  const title = 'Parts of a new connection, P-256'
  progress.note(`${title}: issuing certificates`)
  const usual = { title, keyType: 'P-256', hasIntermediate: false, trustDomains: 1 } as const
  const leaves = await issueLeaves(usual, handshakePlan)
  const start = (name: string): Promise<Subject> => {
    const { part = 'nothing', isNew = false } = handshakeParts.find(({ what }) => what === name) ?? {}
    return startHandshakeSubject(part, isNew, leaves)
  }
  const names = handshakeParts.map(({ what }) => what)
  return compareParts(title, await interleave(names, start, handshakePlan, progress.count(title)), names)
}

function compareParts(
  title: string,
  times: Readonly<Record<string, readonly (readonly number[])[]>>,
  [bare = '', ...others]: readonly string[],
): Table {
  const base = times[bare] ?? []
  const rows = others.map((what): Row => {
    const own = times[what] ?? []
    return { what, unit: 'µs', spread: differenceOf(own, base), ratio: ratioOf(own, base) }
  })
  return {
    title,
    against: bare,
    note: 'The first row is the whole time of the bare server, every other row the difference to it.',
    rows: [{ what: bare, unit: 'µs', spread: spreadOf(base) }, ...rows],
  }
}
