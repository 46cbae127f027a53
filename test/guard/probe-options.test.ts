import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, ConfigurationError, createGuard } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const authority = await createAuthority('saas.example')
const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }] })
const good = { port: 0, host: '127.0.0.1', paths: ['/readyz'] }

for (const [name, options, code] of [
  ['no options', undefined, 'option_invalid'],
  ['an unknown option', { ...good, path: '/readyz' }, 'option_unknown'],
  ['no port', { paths: ['/readyz'] }, 'option_invalid'],
  ['a port that is text', { ...good, port: '8081' }, 'option_invalid'],
  ['a port beyond 65535', { ...good, port: 65_536 }, 'option_invalid'],
  ['a port below 0', { ...good, port: -1 }, 'option_invalid'],
  ['half a port', { ...good, port: 80.5 }, 'option_invalid'],
  ['an empty host', { ...good, host: '' }, 'option_invalid'],
  ['no paths', { port: 0 }, 'option_invalid'],
  ['one path that is not a list', { ...good, paths: '/readyz' }, 'option_invalid'],
  ['an empty list', { ...good, paths: [] }, 'option_invalid'],
  ['an empty object', { ...good, paths: {} }, 'option_invalid'],
  ['a Map', { ...good, paths: new Map([['/readyz', 'ready']]) }, 'option_invalid'],
  ['a path without a slash', { ...good, paths: ['readyz'] }, 'option_invalid'],
  ['a path with a query', { ...good, paths: ['/readyz?x'] }, 'option_invalid'],
  ['a path with a wildcard', { ...good, paths: ['/health/*'] }, 'option_invalid'],
  ['a path with a parameter', { ...good, paths: ['/health/:name'] }, 'option_invalid'],
  ['a path with an escape', { ...good, paths: ['/%72eadyz'] }, 'option_invalid'],
  ['a path with an empty segment', { ...good, paths: ['//readyz'] }, 'option_invalid'],
  ['an absolute path', { ...good, paths: ['http://probe/readyz'] }, 'option_invalid'],
  ['an unknown probe', { ...good, paths: { '/readyz': 'started' } }, 'option_invalid'],
  ['a host that is not of this machine', { ...good, host: '192.0.2.1' }, 'option_invalid'],
] as const) {
  test(`does not listen with ${name}`, async () => {
    const listening = Promise.resolve(Reflect.apply(guard.probeListener.bind(guard), undefined, [options]))
    await assert.rejects(listening, (error) => error instanceof ConfigurationError && error.code === code)
  })
}

test('reports which port is in use', async () => {
  await using taken = await guard.probeListener(good)
  const { port } = taken
  await assert.rejects(guard.probeListener({ ...good, port }), (error) => {
    assert.ok(error instanceof ConfigurationError)
    assert.equal(error.value, port)
    assert.match(error.message, /EADDRINUSE/)
    return true
  })
})
