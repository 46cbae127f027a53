import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import {
  analyticsService,
  billing,
  coreApi,
  readJson,
  reasonsOf,
  type Service,
  start,
  type Variant,
  variants,
} from './frameworks.ts'
import { withLife } from '../support/with-life.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'

describe(
  'promise 3: a resumed, renegotiated or kept-alive connection never authenticates anyone whom a fresh handshake would refuse, before a rotation and after it',
  { concurrency: true },
  async () => {
    const authority = await createAuthority('saas.example')
    const source = await authority.source(billing)
    const svid = await authority.issue(coreApi)

    for (const variant of variants) {
      test(`a session is not resumed, with or without the certificate (${variant.name})`, async () => {
        await using service = await start(variant, { source })
        const { session, socket } = await takeSession(service, variant, svid)
        socket.destroy()

        const again = await open(service, variant, svid, session)
        assert.equal(again.isSessionReused(), false)
        again.destroy()

        const thief = service.as(null)
        const closed = connectAndAsk(service, variant, null, session)
        assert.equal(await closed, '')
        await assert.rejects(thief.fetch('/internal/health'))
        assert.deepEqual(service.handled, variant.http2 ? [] : ['GET /internal/health'])
      })

      test(`a connection does not outlive the peer's certificate (${variant.name})`, () =>
        withLife(3, async (life) => {
          await using service = await start(variant, { source })
          const shortLived = await authority.issue(coreApi, { ttlSeconds: life.seconds })
          const ended = new Promise((resolve) => {
            service.running.server.once('secureConnection', (socket: TLSSocket) => socket.once('close', resolve))
          })
          const peer = service.as(shortLived)
          assert.equal((await peer.fetch('/internal/health')).status, 200)
          life.begun()
          await ended
          // On HTTP/2 the announced close comes first, and another connection may follow for the remaining time.
          await wait(shortLived.expiresAt + 1000 - Date.now() + 5)
          await assert.rejects(peer.fetch('/internal/health'))
          assert.deepEqual(service.handled, ['GET /internal/health'])
        }))

      test(`with onExpiry 'refuse' the next request on the connection is denied, and then the connection closes (${variant.name})`, () =>
        withLife(3, async (life) => {
          await using service = await start(variant, { source, onExpiry: 'refuse' })
          const shortLived = await authority.issue(coreApi, { ttlSeconds: life.seconds })
          const peer = service.as(shortLived)
          assert.equal((await peer.fetch('/internal/health')).status, 200)
          life.begun()
          // notAfter is the last valid second.
          await wait(shortLived.expiresAt + 1000 - Date.now() + 5)
          // An idle HTTP/2 connection closes when its expiry is announced, which is earlier.
          if (!variant.http2) {
            const response = await peer.fetch('/internal/health')
            assert.equal(response.status, 403)
            assert.equal((await readJson(response)).code, 'identity_invalid')
          }
          await assert.rejects(peer.fetch('/internal/health'))
          assert.deepEqual(reasonsOf(service), variant.http2 ? ['expired'] : ['identity_expired', 'expired'])
          assert.deepEqual(service.authorized, isOpensslAsked ? [true] : [false, false])
          assert.deepEqual(service.handled, ['GET /internal/health'])
        }))

      test(`an open connection is closed when the bundle loses the peer's authority (${variant.name})`, async () => {
        const withdrawn = await createAuthority('saas.example', { name: 'withdrawn' })
        const rotating = await authority.source(billing, { federated: [withdrawn] })
        await using service = await start(variant, { source: rotating })
        const [staying, leaving] = [service.as(svid), service.as(await withdrawn.issue(analyticsService))]
        assert.equal((await staying.fetch('/internal/health')).status, 200)
        assert.equal((await leaving.fetch('/internal/health')).status, 200)

        rotating.replace({ bundles: { 'saas.example': authority } })
        await assert.rejects(leaving.fetch('/internal/health?after'))
        // OpenSSL already refuses a fresh handshake; this was the open connection.
        assert.equal(reasonsOf(service)[0], 'unknown_authority')
        assert.equal((await staying.fetch('/internal/health?after')).status, 200)
        assert.deepEqual(service.authorized, [isOpensslAsked, isOpensslAsked])
        assert.deepEqual(service.handled, [
          'GET /internal/health',
          'GET /internal/health',
          'GET /internal/health?after',
        ])

        await assert.rejects(leaving.fetch('/internal/health?after'))
        assert.equal(reasonsOf(service).at(-1), 'unknown_authority')
      })

      test(`the caller is not authenticated once the source reports that we have no SVID (${variant.name})`, async () => {
        const withdrawable = await authority.source(billing)
        await using service = await start(variant, { source: withdrawable })
        const peer = service.as(svid)
        assert.equal((await peer.fetch('/internal/health')).status, 200)
        withdrawable.withdraw()
        await assert.rejects(peer.fetch('/internal/health'))
        await assert.rejects(service.as(svid).fetch('/internal/health'))
        assert.deepEqual(service.handled, ['GET /internal/health'])
      })
    }

    for (const variant of variants.filter(({ tlsVersion }) => tlsVersion === 'TLSv1.2')) {
      test(`a peer cannot renegotiate (${variant.name})`, async () => {
        await using service = await start(variant, { source })
        const socket = await open(service, variant, svid)
        const succeeded = await new Promise((resolve) => {
          socket.once('close', () => resolve(false))
          socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null))
          socket.write(request)
          // From Node 26 on, the attempt gets no response; a successful one gets it immediately.
          setTimeout(resolve, 2000, false)
        })
        socket.destroy()
        assert.equal(succeeded, false)
        assert.deepEqual(service.handled, [])
      })
    }

    after(() => source.close())
  },
)

const request = 'GET /internal/health HTTP/1.1\r\nHost: a\r\n\r\n'

/** The session that the server issues, if any; in TLS 1.3 it arrives after the handshake. */
async function takeSession(
  service: Service,
  variant: Variant,
  svid: TestSvid,
): Promise<{ readonly session: Buffer | undefined; readonly socket: TLSSocket }> {
  const socket = await open(service, variant, svid)
  let session: Buffer | undefined = socket.getSession()
  socket.on('session', (given: Buffer) => (session = given))
  if (!variant.http2) socket.write(request)
  await once(socket, 'data')
  return { session, socket }
}

function open(service: Service, variant: Variant, svid: TestSvid | null, session?: Buffer): Promise<TLSSocket> {
  return service.as(svid).connect({
    ...(variant.http2 && { ALPNProtocols: ['h2'] }),
    ...(session !== undefined && { session }),
  })
}

/** The bytes that a peer receives until its connection closes. */
async function connectAndAsk(
  service: Service,
  variant: Variant,
  svid: TestSvid | null,
  session?: Buffer,
): Promise<string> {
  let received = ''
  try {
    const socket = await open(service, variant, svid, session)
    socket.on('data', (data: Buffer) => (received += data.toString('latin1')))
    socket.write(request)
    await new Promise((resolve) => (socket.destroyed ? resolve(true) : socket.on('close', resolve)))
  } catch {
    // In TLS 1.2 the handshake itself fails.
  }
  return received
}
