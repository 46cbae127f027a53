import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { billing, coreApi, reasonsOf, variants } from '../adapters/frameworks.ts'
import { openAllLasting, openLasting, openSession } from '../adapters/lasting.ts'
import { startLasting } from '../adapters/lasting-service.ts'
import { type Life, withLife } from '../support/with-life.ts'

describe("a connection and the peer's certificate", { concurrency: true }, async () => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(billing)
  const shortLived = ({ seconds }: Life): Promise<TestSvid> => authority.issue(coreApi, { ttlSeconds: seconds })
  // Its expiry is announced half of this time in advance.
  const longAnnounced = ({ seconds }: Life): Promise<TestSvid> =>
    authority.issue(coreApi, { ttlSeconds: seconds, notBefore: Date.now() - 4000 * seconds })
  // A tenth of its lifetime is longer than the rest of it, so every connection starts in that phase.
  const lateInLife = ({ seconds }: Life): Promise<TestSvid> =>
    authority.issue(coreApi, { ttlSeconds: seconds, notBefore: Date.now() - 20_000 * seconds })

  for (const variant of variants) {
    test(`running responses stop in the second in which the certificate expires, and not earlier (${variant.name})`, () =>
      withLife(3, async (life) => {
        await using service = await startLasting(variant, { source })
        const svid = await shortLived(life)
        const lasting = await openAllLasting(service, variant, svid)
        life.begun()
        const end = endOf(svid)
        for (const { kind, ended } of lasting) {
          const moment = await ended
          // An idle HTTP/2 connection closes when its expiry is announced, because nothing is lost with it.
          if (kind !== 'idle connection' || !variant.http2)
            assert.ok(moment >= end, `${kind}: ${end - moment} ms early`)
        }
        assert.ok(reasonsOf(service).every((reason) => reason === 'identity_expired'))
        assert.ok(service.events.every((event) => event.type !== 'authentication' || event.at >= end))
      }))

    test(`no handler runs for a request after the certificate has expired (${variant.name})`, () =>
      withLife(3, async (life) => {
        await using service = await startLasting(variant, { source })
        const svid = await shortLived(life)
        const end = endOf(svid)
        const peer = service.as(svid)
        const tryOnce = (): Promise<number | undefined> =>
          peer.fetch(`/internal/health?${Date.now()}`).then(
            ({ status }) => status,
            () => undefined,
          )
        const statuses = new Set([await tryOnce()])
        life.begun()
        while (Date.now() < end + 200) statuses.add(await tryOnce())
        assert.deepEqual([...statuses], [200, undefined])
        assert.ok(service.numbers.every((sent) => sent < end))
      }))

    test(`with onExpiry 'refuse' running responses are cut off visibly, and one further request is denied (${variant.name})`, () =>
      withLife(3, async (life) => {
        await using service = await startLasting(variant, { source, onExpiry: 'refuse' })
        const svid = await shortLived(life)
        const [idle, ...running] = await openAllLasting(service, variant, svid)
        assert.ok(idle !== undefined)
        const fetching = service.as(svid).fetch('/internal/long')
        life.begun()
        const end = endOf(svid)
        await assert.rejects(fetching)
        for (const { kind, ended } of running) assert.ok((await ended) >= end, kind)
        assert.ok(reasonsOf(service).every((reason) => reason === 'identity_expired'))
        if (!variant.http2) {
          assert.ok(idle.isOpen())
          const handled = service.handled.length
          await assert.rejects(idle.more(), /403/)
          assert.equal(reasonsOf(service).at(-1), 'identity_expired')
          assert.equal(service.handled.length, handled)
        }
        await idle.ended
      }))

    test(`a peer that connects shortly before its certificate expires is served (${variant.name})`, () =>
      withLife(6, async (life) => {
        await using service = await startLasting(variant, { source })
        const svid = await lateInLife(life)
        let closed: Promise<unknown> | undefined
        if (variant.http2) {
          const idle = await openLasting(service, variant, svid, 'idle connection')
          await Promise.all(Array.from({ length: 20 }, () => idle.more()))
          assert.ok(idle.isOpen())
          closed = idle.ended
        }
        for (let count = 0; count < 3; count += 1) {
          const response = await service.as(svid).fetch('/internal/health')
          assert.equal(response.status, 200)
          assert.equal(response.headers.get('connection'), variant.http2 ? null : 'close')
        }
        life.begun()
        await closed
      }))
  }

  for (const variant of variants.filter(({ http2 }) => !http2)) {
    test(`responses announce that the connection is about to close (${variant.name})`, () =>
      withLife(4, async (life) => {
        await using service = await startLasting(variant, { source })
        const svid = await longAnnounced(life)
        const peer = service.as(svid)
        const read = async (): Promise<string | null> => {
          const response = await peer.fetch('/internal/health')
          assert.equal(response.status, 200)
          return response.headers.get('connection')
        }
        assert.equal(await read(), 'keep-alive')
        life.begun()
        let said: string | null = 'keep-alive'
        while (said === 'keep-alive') said = await read()
        assert.equal(said, 'close')
      }))
  }

  for (const variant of variants.filter(({ http2 }) => http2)) {
    test(`GOAWAY is sent before the connection closes, and running streams continue (${variant.name})`, () =>
      withLife(4, async (life) => {
        await using service = await startLasting(variant, { source })
        const svid = await longAnnounced(life)
        const session = await openSession(service, variant, svid)
        const stream = session.request({ ':path': '/internal/events' })
        stream.on('error', () => undefined)
        const ended = new Promise<number>((resolve) => stream.once('close', () => resolve(Date.now())))
        await once(stream, 'data')
        life.begun()
        const lastStreamId = await new Promise((resolve) => session.once('goaway', (_code, id) => resolve(id)))
        assert.equal(lastStreamId, stream.id)
        await once(stream, 'data')
        assert.ok((await ended) >= endOf(svid))
      }))
  }
})

// The whole second in notAfter is valid.
function endOf({ expiresAt }: TestSvid): number {
  return expiresAt + 1000
}
