import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { channels, createGuard, type CountersignEvent, type DecisionEvent, type PolicyEvent } from '@countersign/core'
import { policyFiles } from '@countersign/policy'
import { createAuthority, type Peer, serve } from '@countersign/testkit'
import { scale } from '../support/long.ts'
import { waitUntil } from '../support/wait-until.ts'

const swaps = scale(6, 60)
const swapsPerBreakage = scale(2, 3)
const requestsPerSecond = scale(200, 1000)
/** At least; a swap also waits until the one before it was reported. */
const msBetweenSwaps = scale(0, 1000)
/** A busy machine makes fewer swaps. */
const mostMs = scale(20_000, 65_000)

const id = (account: string): string => `spiffe://saas.example/ns/production/sa/${account}`
const authority = await createAuthority('saas.example')
const orders = await authority.issue(id('orders'))

test('documents replaced under load: each request is decided by exactly one revision, and none fails for another reason', async (context) => {
  const folder = await DocumentFolder.create(context)
  await folder.swap(createDocuments(0))
  const policies = await policyFiles(folder.path)
  context.after(() => policies.close())
  const decisions = followDecisions(context)
  const log = new PolicyLog()
  const guard = createGuard({ source: await authority.source(id('billing')), policies, log: log.note })
  const running = await serve(
    guard,
    ({ url }: { url?: string | undefined }, response: { end(text?: string): unknown }) => {
      response.end(url)
    },
  )
  context.after(() => running.close())
  const load = new Load(
    Array.from({ length: 16 }, () => running.as(orders)),
    requestsPerSecond,
  )

  await log.reported('loaded')
  /** The number of the documents of each revision that was loaded. */
  const numbers = new Map([[log.revision(), 0]])
  let broken = 0
  const end = performance.now() + mostMs
  for (let swap = 1; swap <= swaps && (performance.now() < end || broken < 2); swap += 1) {
    const pause = setTimeout(msBetweenSwaps)
    const documents = createDocuments(numbers.size)
    const breakage = swap % swapsPerBreakage === 0 ? breakages[broken % breakages.length] : undefined
    const before = log.revision()
    await folder.swap(breakage === undefined ? documents : breakage(documents))
    await log.reported(breakage === undefined ? 'loaded' : 'refused')
    if (breakage === undefined) numbers.set(log.revision(), numbers.size)
    else {
      broken += 1
      assert.equal(log.revision(), before)
    }
    const seen = decisions.length
    await waitUntil(() => decisions.length >= seen + 20)
    await pause
  }
  const answers = await load.stop()

  assert.deepEqual(load.failures, [])
  const byPath = groupByPath(decisions)
  const counts = new Map<number, number>()
  for (const { path, status, body } of answers) {
    const [decision, ...more] = byPath.get(path) ?? []
    assert.ok(decision !== undefined && more.length === 0, `${path}: found ${more.length + 1} decisions`)
    const number = numbers.get(decision.revision ?? '')
    assert.ok(number !== undefined, `${path}: decided by the unknown revision ${decision.revision}`)
    assert.deepEqual(describeDecision(decision), decideAlone(path, number), `${path}: documents ${number}`)
    assert.equal(status, decision.effect === 'allow' ? 200 : 403, path)
    assert.ok(body.includes(decision.effect === 'allow' ? path : decision.id), `${path}: ${body}`)
    counts.set(number, (counts.get(number) ?? 0) + 1)
  }
  assert.equal(decisions.length, answers.length)
  assert.equal(counts.size, numbers.size)
  context.diagnostic(
    `${answers.length} requests, ${numbers.size} revisions with ${Math.min(...counts.values())} to ${Math.max(...counts.values())} requests each, ${broken} broken sets`,
  )
})

/** A set of documents, by their names. */
type Documents = Readonly<Record<string, string>>

/**
 * The documents of one revision. DENY policies, ALLOW policies and rules are in different documents and are all
 * different in the next revision, so a mixture of two revisions decides as neither of them.
 */
function createDocuments(number: number): Documents {
  const [denied, allowed] = number % 2 === 0 ? ['/left/**', '/right/**'] : ['/right/**', '/left/**']
  const fillers = Array.from(
    { length: number % 4 },
    (_, index) => `  - { path: /filler-${index}, allow: { denyAll: true } }`,
  )
  return {
    'deny.yaml': `version: 1\npolicies:\n  - { name: deny ${number}, action: DENY, to: [{ paths: [${denied}] }] }\n`,
    'allow.json': JSON.stringify({
      version: 1,
      policies: [
        { name: `allow ${number}`, action: 'ALLOW', to: [{ paths: [allowed] }] },
        { name: `both ${number}`, action: 'ALLOW', to: [{ paths: ['/both/**'] }] },
      ],
    }),
    'rules.yml': [
      'version: 1',
      'rules:',
      ...fillers,
      '  - { path: /**, allow: { hasAuthority: SERVICE_orders } }',
      '',
    ].join('\n'),
  }
}

/** What the documents of this number say about a path. */
function decideAlone(path: string, number: number): object {
  const side = path.split('/')[1]
  if (side === 'none') return { effect: 'deny', reason: 'no_policy', policy: undefined, rule: undefined }
  if (side === 'both') return { effect: 'allow', reason: undefined, policy: `both ${number}`, rule: number % 4 }
  return side === (number % 2 === 0 ? 'left' : 'right')
    ? { effect: 'deny', reason: 'policy_denied', policy: `deny ${number}`, rule: undefined }
    : { effect: 'allow', reason: undefined, policy: `allow ${number}`, rule: number % 4 }
}

function describeDecision(decision: DecisionEvent): object {
  const { effect, policy, rule } = decision
  return { effect, reason: effect === 'deny' ? decision.reason : undefined, policy, rule }
}

/** Ways in which a deployment can be broken. */
const breakages: readonly ((documents: Documents) => Documents)[] = [
  (documents) => ({ ...documents, 'deny.yaml': documents['deny.yaml']?.replace('action', 'acton') ?? '' }),
  (documents) => ({ ...documents, 'allow.json': documents['allow.json']?.slice(0, -5) ?? '' }),
  (documents) => ({ ...documents, 'rules.yml': '' }),
  (documents) => ({ ...documents, 'further.yaml': documents['rules.yml'] ?? '' }),
  // Valid documents that the guard refuses: none of its callers can meet the rule.
  (documents) => ({
    ...documents,
    'rules.yml': 'version: 1\nrules:\n  - { path: /**, allow: { inTrustDomain: other.example } }\n',
  }),
]

/** A folder whose documents are replaced at once by the swap of a symbolic link, like a ConfigMap of Kubernetes. */
class DocumentFolder {
  readonly path: string
  #count = 0

  private constructor(path: string) {
    this.path = path
  }

  static async create(context: TestContext): Promise<DocumentFolder> {
    const path = await mkdtemp(join(tmpdir(), 'countersign-reload-'))
    context.after(() => rm(path, { recursive: true, force: true }))
    for (const name of ['deny.yaml', 'allow.json', 'rules.yml']) await symlink(join('..data', name), join(path, name))
    return new DocumentFolder(path)
  }

  async swap(documents: Documents): Promise<void> {
    const generation = `..generation-${(this.#count += 1)}`
    await mkdir(join(this.path, generation))
    for (const [name, text] of Object.entries(documents)) await writeFile(join(this.path, generation, name), text)
    await symlink(generation, join(this.path, '..data_tmp'))
    await rename(join(this.path, '..data_tmp'), join(this.path, '..data'))
    // As the kubelet does: links to new files appear after the swap, links to removed files disappear after it.
    const isFurther = 'further.yaml' in documents
    if (isFurther) await symlink(join('..data', 'further.yaml'), join(this.path, 'further.yaml'))
    else await rm(join(this.path, 'further.yaml'), { force: true })
  }
}

/** Follows the events of the guard about its policies. */
class PolicyLog {
  #unseen: PolicyEvent[] = []
  #revision = ''

  readonly note = (event: CountersignEvent): void => {
    if (event.type !== 'policy') return
    this.#revision = event.revision ?? ''
    this.#unseen.push(event)
  }

  /** The revision in use. */
  revision(): string {
    return this.#revision
  }

  /** Waits for the next event with this outcome. */
  async reported(outcome: PolicyEvent['outcome']): Promise<void> {
    await waitUntil(() => this.#unseen.some((event) => event.outcome === outcome))
    this.#unseen = []
  }
}

interface Answer {
  readonly path: string
  readonly status: number
  readonly body: string
}

/** Requests at a steady rate, each with a path of its own, over connections that are kept open. */
class Load {
  readonly failures: string[] = []
  readonly #answers: Answer[] = []
  readonly #start = performance.now()
  readonly #interval: number
  readonly #calling: Promise<unknown>
  #count = 0
  #isOver = false

  constructor(peers: readonly Peer[], rate: number) {
    this.#interval = 1000 / rate
    this.#calling = Promise.all(peers.map((peer) => this.#callAs(peer)))
  }

  async stop(): Promise<readonly Answer[]> {
    this.#isOver = true
    await this.#calling
    return this.#answers
  }

  async #callAs(peer: Peer): Promise<void> {
    while (!this.#isOver) {
      const number = (this.#count += 1)
      const wait = this.#start + number * this.#interval - performance.now()
      if (wait > 0) await setTimeout(wait)
      const path = `/${sides[number % sides.length]}/${number}`
      try {
        const response = await peer.fetch(path)
        this.#answers.push({ path, status: response.status, body: await response.text() })
      } catch (error) {
        this.failures.push(`${path}: ${String(error)}`)
      }
    }
  }
}

const sides: readonly string[] = ['left', 'right', 'both', 'none']

function followDecisions(context: TestContext): readonly DecisionEvent[] {
  const decisions: DecisionEvent[] = []
  const listener = (event: unknown): void => {
    if (isDecision(event)) decisions.push(event)
  }
  subscribe(channels.decision, listener)
  context.after(() => unsubscribe(channels.decision, listener))
  return decisions
}

function isDecision(event: unknown): event is DecisionEvent {
  return typeof event === 'object' && event !== null && 'effect' in event
}

function groupByPath(decisions: readonly DecisionEvent[]): ReadonlyMap<string, readonly DecisionEvent[]> {
  const groups = new Map<string, DecisionEvent[]>()
  for (const decision of decisions) groups.set(decision.path, [...(groups.get(decision.path) ?? []), decision])
  return groups
}
