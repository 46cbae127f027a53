import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createReplaceableSource, fileSource, SourceError } from '@countersign/core'
import type { NoticingSource } from '@countersign/spiffe'
import { createAuthority } from '@countersign/testkit'
import {
  authority as fileAuthority,
  createFolder,
  optionsFor,
  replaceFile,
  spiffeId,
  writeFiles,
} from '../source/files.ts'
import { billing, coreApi, openSource, startBillingAgent } from '../workload-api/agent-service.ts'
import { type Served, serveSource } from '../workload-api/served.ts'
import { nextOutcome, waitUntil } from '../workload-api/waiting.ts'

/** A source, and how to withdraw and restore its material. */
interface Subject {
  readonly source: NoticingSource
  readonly lose: () => unknown
  readonly restore: () => unknown
}

const losses: readonly (readonly [code: string, start: (context: TestContext) => Promise<Subject>])[] = [
  [
    'agent_denied',
    async (context) => {
      const agent = await startBillingAgent(context)
      return {
        source: await openSource(context, agent),
        lose: () => agent.setEntries([]),
        restore: () => agent.setEntries([{ spiffeId: billing }]),
      }
    },
  ],
  [
    'svid_withdrawn',
    async (context) => {
      const entries = [{ spiffeId: billing, hint: 'internal' }]
      const agent = await startBillingAgent(context, { entries })
      return {
        source: await openSource(context, agent, { hint: 'internal' }),
        lose: () => agent.setEntries([{ spiffeId: coreApi }]),
        restore: () => agent.setEntries(entries),
      }
    },
  ],
  [
    'source_expired',
    async (context) => {
      const agent = await startBillingAgent(context, { entries: [{ spiffeId: billing, ttlSeconds: 3 }] })
      return {
        source: await openSource(context, agent),
        lose: () => agent.stop(),
        restore: async () => {
          await agent.setEntries([{ spiffeId: billing }])
          await agent.start()
        },
      }
    },
  ],
  [
    'bundle_revoked',
    async (context) => {
      const folder = createFolder(context)
      const bundle = join(folder, 'bundle.pem')
      writeFiles(folder, await fileAuthority.issue(spiffeId))
      const source = await fileSource({ ...optionsFor(folder), pollMs: 1000 })
      context.after(() => source.close())
      return {
        source,
        lose: () => replaceFile(bundle, JSON.stringify({ keys: [], spiffe_sequence: 2 })),
        restore: () => replaceFile(bundle, fileAuthority.bundlePem),
      }
    },
  ],
]

for (const [code, start] of losses) {
  test(`reports a loss by ${code} and its end once each`, async (context) => {
    const { source, lose, restore } = await start(context)
    const served = await serveSource(context, source)
    await lose()
    await waitUntil(() => outcomesOf(served).includes(`lost ${code}`))
    const recovered = nextOutcome(source, 'recovered')
    await restore()
    await recovered
    const told = outcomesOf(served).filter((outcome) => /^(lost|recovered)/.test(outcome))
    assert.deepEqual(told, [`lost ${code}`, 'recovered'])
    assert.equal(served.guard.health().status, 'ready')
  })
}

const authority = await createAuthority('saas.example')
const other = await createAuthority('other.example')
const [material, next, foreign] = await Promise.all([
  authority.source(billing).then(({ current }) => current),
  authority.source(billing).then(({ current }) => current),
  other.source('spiffe://other.example/billing').then(({ current }) => current),
])
const loss = new SourceError('source_empty', 'nothing is there')
const refusal = { outcome: 'refused', code: 'file_missing', detail: 'a file is missing' } as const
const recovery = { outcome: 'recovered', detail: 'all is well' } as const

test('reports the end of a refusal, even after a loss whose end the source did not report', async (context) => {
  const source = createReplaceableSource(material)
  const served = await serveSource(context, source)
  source.withdraw(loss)
  source.replace(next)
  source.notify(refusal)
  source.notify(recovery)
  assert.deepEqual(outcomesOf(served), ['lost source_empty', 'recovered', 'refused file_missing', 'recovered'])
})

test('a refusal during a loss ends with the loss', async (context) => {
  const source = createReplaceableSource(material)
  const served = await serveSource(context, source)
  source.withdraw(loss)
  source.notify(refusal)
  source.replace(next)
  source.notify(recovery)
  assert.deepEqual(outcomesOf(served), ['lost source_empty', 'refused file_missing', 'recovered'])
})

test('does not report a recovery if the source recovers with material that the guard refuses', async (context) => {
  const source = createReplaceableSource(material)
  const served = await serveSource(context, source)
  source.withdraw(loss)
  source.replace(foreign)
  source.notify(recovery)
  assert.deepEqual(outcomesOf(served), ['lost source_empty', 'refused update_refused'])
  source.replace(next)
  assert.equal(outcomesOf(served).at(-1), 'recovered')
})

/** The log's source events, with codes. */
function outcomesOf({ events }: Served): readonly string[] {
  return events.flatMap((event) =>
    event.type === 'source' ? [event.code === undefined ? event.outcome : `${event.outcome} ${event.code}`] : [],
  )
}
