import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createAuthority, type TestSource } from '@countersign/testkit'
import { billing, coreApi, type Service, variants } from './frameworks.ts'
import { withLife } from '../support/with-life.ts'
import { openAllLasting } from './lasting.ts'
import { startLasting } from './lasting-service.ts'

describe(
  'promise 7: when the source of identities goes away, the last good SVID serves until it expires, and not one second longer; when the source says that we have no identity any more, at once',
  { concurrency: true },
  async () => {
    const authority = await createAuthority('saas.example')
    const svid = await authority.issue(coreApi)

    for (const variant of variants) {
      test(`serves until our own certificate expires, then closes all connections and refuses handshakes (${variant.name})`, () =>
        withLife(4, async (life) => {
          const source = await authority.source(billing, { ttlSeconds: life.seconds })
          await using service = await startLasting(variant, { source })
          const end = source.svid.expiresAt + 1000
          const lasting = await openAllLasting(service, variant, svid)
          const peer = service.as(svid)
          const statuses = new Set<number>([(await peer.fetch('/internal/health')).status])
          life.begun()
          while (Date.now() < end + 200) {
            await peer.fetch(`/internal/health?${Date.now()}`).then(({ status }) => statuses.add(status), ignore)
            await wait(pause)
          }
          // A request that arrives in exactly that second cannot be decided.
          statuses.delete(503)
          assert.deepEqual([...statuses], [200])
          assert.ok(service.numbers.every((sent) => sent < end))
          for (const { kind, ended } of lasting) assert.ok((await ended) >= end, kind)
          await assert.rejects(service.as(svid).connect())
          assert.deepEqual(lossesOf(service), ['source_expired'])

          source.replace({ svid: await authority.issue(billing) })
          assert.equal((await service.as(svid).fetch('/internal/health')).status, 200)
        }))

      for (const [name, lose, code] of losses) {
        test(`closes all connections and refuses handshakes immediately when ${name} (${variant.name})`, async () => {
          const source = await authority.source(billing)
          await using service = await startLasting(variant, { source })
          const lasting = await openAllLasting(service, variant, svid)
          const handled = service.handled.length
          const handshakes = service.authorized.length

          await lose(source)
          await assert.rejects(service.as(svid).connect())
          await Promise.all(lasting.map(({ ended }) => ended))
          await assert.rejects(service.as(svid).fetch('/internal/health'))
          assert.deepEqual(lossesOf(service), [code])
          assert.equal(service.handled.length, handled)
          assert.equal(service.authorized.length, handshakes)
        })
      }

      test(`serves again as soon as the source has a certificate again (${variant.name})`, async () => {
        const source = await authority.source(billing)
        await using service = await startLasting(variant, { source })
        for (const next of [{}, { svid: await authority.issue(billing) }]) {
          source.withdraw()
          await assert.rejects(service.as(svid).connect())
          source.replace(next)
          assert.equal((await service.as(svid).fetch('/internal/health')).status, 200)
        }
        assert.deepEqual(lossesOf(service), ['source_empty', 'source_empty'])
      })
    }
  },
)

// Milliseconds between two calls.
const pause = 20

function ignore(): void {
  // Waits for a failed call.
}

const losses: readonly (readonly [string, (source: TestSource) => unknown, string])[] = [
  ['the source reports that we have none', (source) => source.withdraw(), 'source_empty'],
  ['the source is closed', (source) => source.close(), 'source_closed'],
]

function lossesOf({ events }: Service): readonly unknown[] {
  return events.flatMap((event) => (event.type === 'source' && event.outcome === 'lost' ? [event.code] : []))
}
