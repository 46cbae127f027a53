import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BoundTokenCheck, type BoundTokenOptions, isAbandoned, type TokenRefusal } from '@countersign/core/adapter'
import { ConfigurationError } from '@countersign/core'

const thumbprint = Buffer.alloc(32, 0xa5).toString('base64url')
const caller = { credential: 'x509-svid', thumbprint }
const bearer = ['Host', 'billing', 'Authorization', 'Bearer a.b-c_d~e+f/g==']

function bind(digest: unknown): unknown {
  return { sub: 'core-api', cnf: { 'x5t#S256': digest } }
}

function check(
  verify: BoundTokenOptions['verify'],
  { headers = bearer, from = caller, timeoutMs = 30_000 }: Partial<Case> = {},
): Promise<TokenRefusal | undefined> {
  return new BoundTokenCheck({ verify, timeoutMs }).check(headers, from)
}

interface Case {
  readonly headers: readonly string[]
  readonly from: { readonly credential: string; readonly thumbprint?: string }
  readonly timeoutMs: number
}

describe('a token', () => {
  for (const [what, verify] of Object.entries({
    'a value': () => bind(thumbprint),
    'a promise': () => Promise.resolve(bind(thumbprint)),
    'further confirmations': () => ({ cnf: { jkt: 'x', 'x5t#S256': thumbprint } }),
  })) {
    test(`bound to the certificate is accepted, from ${what}`, async () => {
      assert.equal(await check(verify), undefined)
    })
  }

  test('is verified once, as it was sent', async () => {
    const seen: string[] = []
    await check((token) => {
      seen.push(token)
      return bind(thumbprint)
    })

    assert.deepEqual(seen, ['a.b-c_d~e+f/g=='])
  })

  const other = Buffer.alloc(32, 0xa4).toString('base64url')
  for (const [what, claims] of Object.entries({
    'nothing at all': undefined,
    null: null,
    text: 'claims',
    'no cnf': { sub: 'core-api' },
    'an empty cnf': { cnf: {} },
    'a cnf that is text': { cnf: thumbprint },
    'a cnf that is null': { cnf: null },
    'another certificate': bind(other),
    'a list of certificates': bind([thumbprint]),
    'an empty digest': bind(''),
    'a padded digest': bind(`${thumbprint}=`),
    'a digest with unused bits': bind(`${thumbprint.slice(0, -1)}${nextLetter(thumbprint.at(-1))}`),
    'the alphabet of base64': bind(thumbprint.replace('_', '/').replace('-', '+').replace('p', '+')),
    'a digest in hex': bind(Buffer.alloc(32, 0xa5).toString('hex')),
    'the start of the digest': bind(thumbprint.slice(0, 42)),
  })) {
    test(`with ${what} is refused`, async () => {
      const refusal = await check(() => claims)

      assert.equal(refusal?.reason, 'token_unbound')
      assert.equal(refusal.challenge, undefined)
    })
  }

  for (const [what, headers, challenge] of [
    ['no header', ['Host', 'a'], 'Bearer'],
    ['a header name as a value', ['X', 'Authorization', 'Y', 'Bearer a'], 'Bearer'],
    ['another scheme', ['Authorization', 'Basic YTpi'], 'Bearer'],
    ['a scheme that begins alike', ['Authorization', 'BearerX a'], 'Bearer'],
    ['no token', ['Authorization', 'Bearer'], undefined],
    ['two tokens', ['Authorization', 'Bearer a b'], undefined],
    ['a list', ['Authorization', 'Bearer a, Bearer b'], undefined],
    ['other characters', ['Authorization', 'Bearer a"b'], undefined],
    ['characters after the padding', ['Authorization', 'Bearer a=b'], undefined],
    ['two headers', ['Authorization', 'Bearer a', 'authorization', 'Bearer a'], undefined],
    ['a header of another scheme beside it', ['Authorization', 'Bearer a', 'AUTHORIZATION', 'Basic b'], undefined],
  ] as const) {
    test(`is not verified in a request with ${what}`, async () => {
      const refusal = await check(() => assert.fail('verified'), { headers })

      assert.equal(refusal?.reason, 'token_unbound')
      assert.equal(refusal.challenge, challenge)
    })
  }

  test('may follow a scheme in any case', async () => {
    assert.equal(await check(() => bind(thumbprint), { headers: ['authorization', 'bEARER  a'] }), undefined)
  })

  for (const [what, from] of Object.entries({
    'a name that a proxy forwarded': { credential: 'forwarded' },
    'a JWT-SVID': { credential: 'jwt-svid', thumbprint },
    'a proxy that is not authenticated': { credential: 'asserted', thumbprint },
    'an unknown credential': { credential: 'other', thumbprint },
  })) {
    test(`is not verified if the caller is proven by ${what}`, async () => {
      assert.equal((await check(() => assert.fail('verified'), { from }))?.reason, 'token_unbound')
    })
  }

  for (const credential of ['x509-svid', 'x509-subject', 'forwarded']) {
    test(`may be bound to the certificate of a caller proven by ${credential}`, async () => {
      assert.equal(await check(() => bind(thumbprint), { from: { credential, thumbprint } }), undefined)
    })
  }
})

describe('the function verify', () => {
  const secret = 'a.b-c_d~e+f/g=='
  const coded = Object.assign(new Error(`bad ${secret}`), { name: 'JWTExpired', code: 'ERR_JWT_EXPIRED' })
  for (const [what, verify, detail] of [
    ['throws', () => assert.fail(secret), /AssertionError ERR_ASSERTION$/],
    ['rejects', () => Promise.reject(coded), /JWTExpired ERR_JWT_EXPIRED$/],
    ['rejects with text', () => Promise.reject(secret), /non-Error/],
    [
      'has an error named like a token',
      () => Promise.reject(Object.assign(new Error(), { name: secret })),
      /an error$/,
    ],
    [
      'returns claims that throw',
      () => ({
        get cnf() {
          throw coded
        },
      }),
      /JWTExpired/,
    ],
  ] as const) {
    test(`refuses the token if it ${what}, and the reason does not contain it`, async () => {
      const refusal = await check(verify)

      assert.equal(refusal?.reason, 'token_invalid')
      assert.match(refusal.detail, detail)
      assert.ok(!JSON.stringify(refusal).includes(secret))
    })
  }

  test('is only awaited for a limited time', async () => {
    const refusal = await check(() => new Promise(() => undefined), { timeoutMs: 20 })

    assert.equal(refusal?.reason, 'evaluation_error')
  })

  test('may fail after the timeout', async () => {
    let fail: (error: Error) => void = () => undefined
    const verified = new Promise((_resolve, reject) => (fail = reject))
    await check(() => verified, { timeoutMs: 20 })
    fail(new Error('late'))
    await new Promise(setImmediate)
  })
})

for (const [what, options] of Object.entries({
  'no options': undefined,
  'no function': {},
  'something else as the function': { verify: 'jose' },
  'a misspelled option': { verify: () => undefined, timeout: 1 },
  'no time': { verify: () => undefined, timeoutMs: 0 },
  'more time than a timer has': { verify: () => undefined, timeoutMs: 2 ** 31 },
  'a time that is text': { verify: () => undefined, timeoutMs: '5s' },
})) {
  test(`${what} is an error at startup`, () => {
    assert.throws(() => Reflect.construct(BoundTokenCheck, [options]), ConfigurationError)
  })
}

test('a response is abandoned if it or its stream is destroyed', () => {
  assert.deepEqual(
    [
      { destroyed: true },
      { destroyed: false },
      {},
      { stream: { destroyed: true } },
      { stream: { destroyed: false } },
    ].map(isAbandoned),
    [true, false, false, true, false],
  )
})

// The last letter encodes four bits of the digest and two unused ones.
function nextLetter(letter = ''): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(letter) + 1] ?? ''
}
