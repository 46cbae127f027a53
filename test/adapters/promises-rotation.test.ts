import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { channels } from '@countersign/core'
import { type Authority, createAuthority, type TestSvid } from '@countersign/testkit'
import {
  analyticsService,
  billing,
  coreApi,
  reasonsOf,
  type Service,
  start,
  type Variant,
  variants,
} from './frameworks.ts'
import { scale } from '../support/long.ts'
import { withLife } from '../support/with-life.ts'
import { keepCalling } from './keep-calling.ts'
import { type Lasting, openAllLasting } from './lasting.ts'
import { startLasting } from './lasting-service.ts'

describe(
  'promise 6: rotation of our key, certificate or bundles loses no request and needs no restart; only a peer whose certificate expired or whose authority was withdrawn is cut',
  { concurrency: true },
  async () => {
    const authority = await createAuthority('saas.example')
    const partner = await createAuthority('partner.example')
    const svid = await authority.issue(coreApi)
    const partnerSvid = await partner.issue('spiffe://partner.example/ns/production/sa/importer')
    const trustDomains = ['saas.example', 'partner.example']

    for (const variant of variants) {
      test(`the handshake after a rotation presents the new certificate, and no request fails across ${rotations} rotations (${variant.name})`, async () => {
        const source = await authority.source(billing)
        await using service = await startLasting(variant, { source })
        const lasting = await openAllLasting(service, variant, svid)
        const kept = service.as(svid)
        await using keptCalls = keepCalling(() => kept.fetch('/internal/health'))
        await using freshCalls = keepCalling(async () => {
          await using peer = service.as(svid)
          return await peer.fetch('/internal/health')
        })
        for (let count = 0; count < rotations; count += 1) {
          const issuer = count % 2 === 0 ? authority : await authority.intermediate({ name: `intermediate ${count}` })
          const next = await issuer.issue(billing)
          source.replace({ svid: next })
          assert.equal(await shownSerial(service, variant, svid, authority), BigInt(`0x${next.serialNumber}`))
          await Promise.all([keptCalls.next(), freshCalls.next()])
        }
        for (const statuses of [await keptCalls.stop(), await freshCalls.stop()]) {
          assert.ok(statuses.length >= rotations)
          assert.deepEqual([...new Set(statuses)], [200])
        }
        await assertUntouched(lasting)
        assert.deepEqual(reasonsOf(service), [])
      })

      test(`connections that depend on a withdrawn authority close without another request, and all others stay open (${variant.name})`, async () => {
        const withdrawn = await createAuthority('saas.example', { name: 'withdrawn' })
        const source = await authority.source(billing, { federated: [withdrawn, partner] })
        await using service = await startLasting(variant, { source, trustDomains })
        const leaving = await openAllLasting(service, variant, await withdrawn.issue(analyticsService))
        const staying = [
          ...(await openAllLasting(service, variant, svid)),
          ...(await openAllLasting(service, variant, partnerSvid)),
        ]
        const accepted = service.authorized.length

        source.replace({ bundles: { 'saas.example': authority, 'partner.example': partner } })
        await Promise.all(leaving.map(({ ended }) => ended))
        await assertUntouched(staying)
        assert.deepEqual(
          reasonsOf(service),
          leaving.map(() => 'unknown_authority'),
        )
        assert.equal(service.authorized.length, accepted)
      })

      test(`connections of a trust domain close when the source no longer has its bundle (${variant.name})`, async () => {
        const source = await authority.source(billing, { federated: [partner] })
        await using service = await startLasting(variant, { source, trustDomains })
        const leaving = await openAllLasting(service, variant, partnerSvid)
        const staying = await openAllLasting(service, variant, svid)

        source.replace({ bundles: { 'saas.example': authority } })
        await Promise.all(leaving.map(({ ended }) => ended))
        await assertUntouched(staying)
        assert.equal(reasonsOf(service).length, leaving.length)
      })

      test(`adding an authority closes no connection and verifies no peer again (${variant.name})`, async () => {
        const id = `spiffe://saas.example/ns/production/sa/${variant.name.replaceAll(/[^A-Za-z0-9]/g, '-')}`
        const accepted: unknown[] = []
        const note = (event: unknown): void => {
          if (typeof event === 'object' && event !== null && Reflect.get(event, 'spiffeId') === id) accepted.push(event)
        }
        subscribe(channels.authentication, note)
        after(() => unsubscribe(channels.authentication, note))
        const source = await authority.source(billing)
        await using service = await startLasting(variant, { source })
        const lasting = await openAllLasting(service, variant, await authority.issue(id))
        assert.equal(accepted.length, lasting.length)

        const added = await createAuthority('saas.example', { name: 'added' })
        source.replace({ bundles: { 'saas.example': [authority, added] } })
        assert.equal((await service.as(await added.issue(analyticsService)).fetch('/internal/health')).status, 200)
        await assertUntouched(lasting)
        assert.equal(accepted.length, lasting.length)
        assert.deepEqual(reasonsOf(service), [])
      })

      test(`disconnects a peer whose certificate has expired (${variant.name})`, () =>
        withLife(2, async (life) => {
          const source = await authority.source(billing)
          await using service = await start(variant, { source })
          const shortLived = await authority.issue(coreApi, { ttlSeconds: life.seconds })
          const [leaving, staying] = [service.as(shortLived), service.as(svid)]
          assert.equal((await leaving.fetch('/internal/health')).status, 200)
          await using calls = keepCalling(() => staying.fetch('/internal/health'))
          life.begun()
          while (Date.now() < shortLived.expiresAt + 1000) {
            await leaving.fetch('/internal/health').catch(() => undefined)
            source.replace({ svid: await authority.issue(billing) })
            await wait(100)
          }
          await assert.rejects(leaving.fetch('/internal/health'))
          assert.deepEqual([...new Set(await calls.stop())], [200])
        }))
    }
  },
)

const rotations = scale(6, 30)

async function assertUntouched(lasting: readonly Lasting[]): Promise<void> {
  await Promise.all(lasting.map(({ more }) => more()))
  assert.deepEqual(
    lasting.filter(({ isOpen }) => !isOpen()),
    [],
  )
}

/** The serial number seen by a peer that verifies the server only against this authority. */
async function shownSerial(
  service: Service,
  variant: Variant,
  svid: TestSvid,
  { bundlePem }: Authority,
): Promise<bigint> {
  const { tlsVersion, http2 } = variant
  const peer = service.running.as(svid, { minVersion: tlsVersion, maxVersion: tlsVersion })
  const socket = await peer.connect({
    ca: bundlePem,
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
    ...(http2 && { ALPNProtocols: ['h2'] }),
  })
  return BigInt(`0x${socket.getPeerCertificate().serialNumber}`)
}
