import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigurationError } from '@countersign/core'
import {
  parseAssertedFormat,
  parseForwardedFormat,
} from '../../packages/core/src/credential/forwarded/forwarded-format.ts'
import { identityHeaders } from '../../packages/core/src/credential/forwarded/identity-headers.ts'

test('knows the headers of each format, in lower case', () => {
  assert.deepEqual(parseForwardedFormat('client-cert', 'format').headers, ['client-cert', 'client-cert-chain'])
  assert.deepEqual(parseForwardedFormat('xfcc', 'format').headers, ['x-forwarded-client-cert'])
  assert.deepEqual(parseForwardedFormat('traefik', 'format').headers, ['x-forwarded-tls-client-cert'])
  assert.deepEqual(parseForwardedFormat('caddy', 'format').headers, ['client-cert'])
  assert.deepEqual(parseForwardedFormat({ nginx: { header: 'X-Cert' } }, 'format').headers, ['x-cert'])
  assert.deepEqual(parseForwardedFormat({ haproxy: { header: 'X-Cert', chainHeader: 'X-Chain' } }, 'format').headers, [
    'x-cert',
    'x-chain',
  ])
  assert.deepEqual(parseForwardedFormat({ haproxy: { header: 'X-Cert' } }, 'format').headers, ['x-cert'])
})

test('the list of identity headers has those of every format with fixed names', () => {
  const names = ['client-cert', 'xfcc', 'traefik', 'caddy', 'aws-alb', 'aws-alb-passthrough', 'cloudfront']
  for (const name of [...names, 'azure-app-service', 'azure-container-apps']) {
    for (const header of parseAssertedFormat(name, 'format').headers)
      assert.ok(identityHeaders.includes(header), header)
  }
  assert.equal(new Set(identityHeaders).size, identityHeaders.length)
  assert.deepEqual(
    identityHeaders.filter((name) => name !== name.toLowerCase()),
    [],
  )
})

test('a format of a proxy without an SVID is not one of a listed proxy', () => {
  for (const format of ['aws-alb', 'cloudfront', 'azure-app-service', { gcp: { header: 'X-Leaf' } }]) {
    assert.throws(() => parseForwardedFormat(format, 'format'), ConfigurationError)
    assert.ok(parseAssertedFormat(format, 'format'))
  }
})

const refused: readonly (readonly [what: string, input: unknown, code: string])[] = [
  ['undefined', undefined, 'option_invalid'],
  ['null', null, 'option_invalid'],
  ['an unknown name', 'envoy', 'option_invalid'],
  ['a name in another case', 'XFCC', 'option_invalid'],
  ['a name that needs options', 'nginx', 'option_invalid'],
  ['a list', ['xfcc'], 'option_invalid'],
  ['an empty object', {}, 'option_invalid'],
  ['an unknown key', { apache: { header: 'X-Cert' } }, 'option_unknown'],
  ['two formats', { nginx: { header: 'X-Cert' }, haproxy: { header: 'X-Cert' } }, 'option_invalid'],
  ['two formats, one undefined', { nginx: { header: 'X-Cert' }, haproxy: undefined }, 'option_invalid'],
  ['no options', { nginx: undefined }, 'option_invalid'],
  ['no header', { nginx: {} }, 'option_invalid'],
  ['an unknown option', { nginx: { header: 'X-Cert', chainHeader: 'X-Chain' } }, 'option_unknown'],
  ['an empty header', { nginx: { header: '' } }, 'option_invalid'],
  ['a header that is not a token', { nginx: { header: 'X-Cert:' } }, 'option_invalid'],
  ['a header of HTTP/2', { nginx: { header: ':path' } }, 'option_invalid'],
  ['a header with a blank', { nginx: { header: 'X Cert' } }, 'option_invalid'],
  ['a header that is not text', { nginx: { header: 1 } }, 'option_invalid'],
  ['a long header', { nginx: { header: 'x'.repeat(129) } }, 'option_invalid'],
  ['a header with another meaning', { nginx: { header: 'Host' } }, 'option_invalid'],
  ['the same header twice', { haproxy: { header: 'X-Cert', chainHeader: 'x-cert' } }, 'option_invalid'],
  ['a chain header that is not text', { haproxy: { header: 'X-Cert', chainHeader: null } }, 'option_invalid'],
]

for (const [what, input, code] of refused) {
  test(`refuses ${what}`, () => {
    for (const parse of [parseForwardedFormat, parseAssertedFormat]) {
      assert.throws(
        () => parse(input, 'credentials.forwarded.format'),
        (error) =>
          error instanceof ConfigurationError &&
          error.code === code &&
          error.message.startsWith('credentials.forwarded.format'),
      )
    }
  })
}

test('suggests the nearest format', () => {
  assert.throws(() => parseForwardedFormat('client-certs', 'format'), /did you mean 'client-cert'/)
  assert.throws(() => parseForwardedFormat({ ngnix: { header: 'X-Cert' } }, 'format'), /did you mean 'nginx'/)
})
