import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { billing, coreApi, type Service, start, type Variant, variants } from '../adapters/frameworks.ts'
import { type Life, withLife } from '../support/with-life.ts'
import { type Frame, frameTypes, preface, readFrames, writeRequest } from './http2-frames.ts'

describe('requests that cross with GOAWAY', { concurrency: true }, async () => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(billing)

  for (const variant of variants.filter(({ http2 }) => http2)) {
    test(`are not handled, and the peer learns that it may resend them (${variant.name})`, () =>
      withLife(3, async (life) => {
        await using service = await start(variant, { source })
        const svid = await authority.issue(coreApi, { ttlSeconds: life.seconds })
        const frames = await exchange(
          service,
          variant,
          svid,
          {
            first: writeRequest(1, '/internal/health?first'),
            atGoaway: writeRequest(3, '/internal/health?crossing'),
          },
          life,
        )
        assert.deepEqual(answeredStreams(frames), [1])
        assert.deepEqual(
          frames.filter(({ type }) => type === frameTypes.goaway).map(({ payload }) => payload.readUInt32BE(0)),
          [1],
        )
        assert.deepEqual(service.handled, ['GET /internal/health?first'])
      }))

    test(`are answered if they arrived before it (${variant.name})`, () =>
      withLife(3, async (life) => {
        await using service = await start(variant, { source })
        const svid = await authority.issue(coreApi, {
          ttlSeconds: life.seconds,
          notBefore: Date.now() - 100_000 * life.scale,
        })
        const streams = [1, 3, 5, 7, 9]
        const first = Buffer.concat(streams.map((stream) => writeRequest(stream, `/internal/health?${stream}`)))
        const frames = await exchange(service, variant, svid, { first }, life)
        assert.deepEqual(answeredStreams(frames), streams)
        assert.equal(service.handled.length, streams.length)
      }))
  }
})

interface Script {
  readonly first: Buffer
  readonly atGoaway?: Buffer
}

/** Everything that the server sends until it closes the connection. */
async function exchange(
  service: Service,
  variant: Variant,
  svid: TestSvid,
  script: Script,
  life: Life,
): Promise<readonly Frame[]> {
  const { tlsVersion } = variant
  const peer = service.running.as(svid, { minVersion: tlsVersion, maxVersion: tlsVersion })
  const socket = await peer.connect({ ALPNProtocols: ['h2'] })
  let received = Buffer.alloc(0)
  let hasCrossed = script.atGoaway === undefined
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data])
    if (hasCrossed || !readFrames(received).some(({ type }) => type === frameTypes.goaway)) return
    hasCrossed = true
    socket.write(script.atGoaway ?? '')
  })
  socket.write(Buffer.concat([preface, script.first]))
  await once(socket, 'data')
  life.begun()
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  assert.ok(hasCrossed)
  return readFrames(received)
}

function answeredStreams(frames: readonly Frame[]): readonly number[] {
  return frames.filter(({ type }) => type === frameTypes.headers).map(({ stream }) => stream)
}
