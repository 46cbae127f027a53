import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CertificateError, ConfigurationError, SourceError, staticSource } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const spiffeId = 'spiffe://saas.example/ns/production/sa/core-api'
const authority = await createAuthority('saas.example')
const svid = await authority.issue(spiffeId)
const input = { key: svid.keyPem, cert: svid.certificatePem, bundles: { 'saas.example': authority.bundlePem } }

test('returns the same material until the SVID expires, and none afterwards', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: svid.expiresAt - 60_000 })
  const source = staticSource(input)
  const { current } = source
  assert.equal(current.svid.expiresAt, svid.expiresAt + 1000)
  t.mock.timers.setTime(current.svid.expiresAt - 1)
  assert.equal(source.current, current)
  t.mock.timers.setTime(current.svid.expiresAt)
  assert.throws(
    () => source.current,
    (error) => error instanceof SourceError && error.code === 'source_expired',
  )
})

test('expires with its issuer if that is earlier', async (t) => {
  const short = await authority.intermediate({ ttlSeconds: 60 })
  const below = await short.issue(spiffeId)
  const source = staticSource({ ...input, key: below.keyPem, cert: below.certificatePem })
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 })
  assert.throws(
    () => source.current,
    (error) => error instanceof SourceError && error.code === 'source_expired',
  )
})

test('does not start with an expired SVID', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: svid.expiresAt + 1000 })
  assert.throws(
    () => staticSource(input),
    (error) => error instanceof CertificateError && error.code === 'svid_unusable' && error.value === 'expired',
  )
})

test('has no material after it is closed, explicitly or by leaving a scope', async () => {
  for (const end of ['close', Symbol.asyncDispose] as const) {
    const source = staticSource(input)
    await source[end]()
    assert.throws(
      () => source.current,
      (error) => error instanceof SourceError && error.code === 'source_closed',
    )
  }
})

test('accepts listeners, and never notifies them', () => {
  const stop = staticSource(input).onUpdate(() => assert.fail('was notified'))
  stop()
})

test('rejects an unknown option and names the nearest known one', () => {
  const { cert, ...rest } = input
  assert.throws(
    () => staticSource(Object.assign({}, input, { bundle: {} })),
    (error) =>
      error instanceof ConfigurationError && error.code === 'option_unknown' && /'bundles'/.test(error.message),
  )
  assert.throws(
    () => Reflect.apply(staticSource, undefined, [{ ...rest, certificate: cert }]),
    (error) => error instanceof ConfigurationError && error.code === 'option_unknown',
  )
})

test('rejects missing options and values of the wrong kind at startup', () => {
  const wrong: readonly unknown[] = [
    undefined,
    null,
    [],
    {},
    { ...input, key: undefined },
    { ...input, cert: 7 },
    { ...input, bundles: undefined },
    { ...input, bundles: [] },
    { ...input, bundles: { 'saas.example': [authority.bundlePem] } },
  ]
  for (const options of wrong) {
    assert.throws(
      () => Reflect.apply(staticSource, undefined, [options]),
      (error) => error instanceof ConfigurationError && error.code === 'option_invalid',
      JSON.stringify(options),
    )
  }
})
