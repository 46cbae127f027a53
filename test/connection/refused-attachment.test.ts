import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import { test } from 'node:test'
import { ConfigurationError, createGuard, type X509Source } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

test('a server that is refused for an additional listener is left unchanged, and its source is not followed', async () => {
  const authority = await createAuthority('saas.example')
  const held = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  let followers = 0
  const source: X509Source = {
    get current() {
      return held.current
    },
    onUpdate: (listener) => {
      followers += 1
      const stop = held.onUpdate(listener)
      return () => {
        followers -= 1
        stop()
      }
    },
    close: () => held.close(),
    [Symbol.asyncDispose]: () => held.close(),
  }
  // Without rules each route decides, so no other listener may receive its requests.
  const guard = createGuard({ source })
  const server = createServer(guard.tlsOptions(), () => undefined)
  const further = (): void => undefined
  server.on('request', further)
  const before = server.listenerCount('secureConnection')
  assert.throws(
    () => guard.attach(server),
    (error) => error instanceof ConfigurationError && error.code === 'server_unsuitable',
  )
  assert.equal(followers, 0)
  assert.equal(server.listenerCount('secureConnection'), before)
  server.off('request', further)
  guard.attach(server)
  assert.equal(followers, 1)
  server.emit('close')
  assert.equal(followers, 0)
})
