import assert from 'node:assert/strict'
import test from 'node:test'
import {
  type CanonicalTarget,
  commonMethods,
  createTargetParser,
  parsePath,
  type TargetReason,
  type TargetRefusal,
  type TargetRequest,
} from '../../packages/authorization/src/target.ts'

const parse = createTargetParser(new Set(commonMethods))
const plain: TargetRequest = { method: 'GET', url: '/', httpVersionMajor: 1, rawHeaders: ['Host', 'saas.example'] }

// The classes of ambiguous targets, in the order of the threat model, with the reason for refusal.
const classes: readonly (readonly [name: string, targets: readonly string[], verdict: TargetReason | 'accepted'])[] = [
  ['duplicate slash', ['//admin', '///admin', '//'], 'empty_segment'],
  ['duplicate slash inside', ['/api//secret', '/users//me', '/a//'], 'empty_segment'],
  ['protocol-relative target', ['//evil/admin'], 'empty_segment'],
  ['dot segments', ['/./admin', '/api/x/../secret', '/.', '/..', '/a/.', '/a/..'], 'dot_segment'],
  ['dot segments out of a protected tree', ['/admin/../public'], 'dot_segment'],
  ['dot segments into a protected tree', ['/public/../admin'], 'dot_segment'],
  ['encoded dots', ['/public/%2e%2e/admin', '/public/.%2E/admin', '/%2e', '/a/%2E.'], 'dot_segment'],
  ['encoded dots next to an encoded slash', ['/public/..%2fadmin', '/a%2F..', '/a%2f%2e/b'], 'dot_segment'],
  [
    'encoded slash next to a slash',
    ['/%2fadmin', '/a%2F%2fb', '/a/%2Fb', '/a%2F/b', '/a%2F', '/a%2F/'],
    'empty_segment',
  ],
  ['encoded slash within a segment, for the rules to decide', ['/files/a%2fb', '/api%2fsecret', '/a%2Fb'], 'accepted'],
  [
    'dots encoded twice',
    ['/public/%252e%252e/admin', '/a%252Eb', '/%25%32%65', '/%25%32e', '/%252%65'],
    'encoded_delimiter',
  ],
  ['delimiters encoded twice', ['/a%252fb', '/a%255Cb', '/a%253bb', '/%2525', '/a%253%42'], 'encoded_delimiter'],
  ['a slash encoded once next to anything encoded twice', ['/a%2Fb%2541'], 'encoded_delimiter'],
  ['control characters encoded twice', ['/a%2500', '/a%250d', '/a%251F', '/a%257f'], 'encoded_control'],
  ['invalid UTF-8 encoded twice', ['/a%25c0%25af', '/a%25ff'], 'bad_utf8'],
  ['other letters encoded twice', ['/%2561dmin', '/a%2520b', '/%25C3%25A9', '/a%253Fb'], 'accepted'],
  ['an encoded percent sign', ['/50%25', '/50%25/x', '/%25zz', '/%25a', '/%25'], 'accepted'],
  ['backslash', ['/\\admin', '/public\\..\\admin', '/admin/x\\..\\..\\public'], 'forbidden_character'],
  ['encoded backslash', ['/public%5c..%5cadmin', '/a%5Cb'], 'encoded_delimiter'],
  ['encoded semicolon', ['/a%3bb', '/a%3B'], 'encoded_delimiter'],
  ['encoded letters', ['/%61dmin', '/%61pi/secret', '/users/%6de', '/%7Ex', '/%5Fx', '/%2Dx'], 'accepted'],
  ['case', ['/ADMIN', '/API/secret', '/users/ME'], 'accepted'],
  ['trailing slash', ['/admin/', '/api/secret/'], 'accepted'],
  ['matrix parameters', ['/admin;x=1', '/admin;', '/api/secret;x'], 'forbidden_character'],
  ['matrix parameters with dots', ['/public/..;/admin', '/public;/../admin'], 'forbidden_character'],
  ['trailing dot and extension', ['/admin.', '/admin.json'], 'accepted'],
  ['encoded trailing dot', ['/admin%2e', '/a%2eb', '/...%2e', '/%2e%2ea'], 'accepted'],
  ['a plus, and a space within a segment', ['/admin+', '/a%20b', '/a%20%C2%A0b/c', '/a%2520b'], 'accepted'],
  [
    'whitespace at the start or end of a segment',
    ['/admin%20', '/admin%20?a=1', '/admin/x%20', '/%20admin', '/a%20/b', '/a/%20b', '/%20', '/a/%20/', '/a%C2%A0/'],
    'edge_whitespace',
  ],
  ['whitespace next to an encoded slash', ['/a%20%2Fb', '/a%2F%20b'], 'edge_whitespace'],
  [
    'whitespace at an edge, encoded twice',
    ['/a%2520', '/%2520a/b', '/a%25C2%25A0', '/a%25EF%25BB%25BF/b'],
    'edge_whitespace',
  ],
  ['encoded NUL', ['/admin%00', '/files/a%00b'], 'encoded_control'],
  ['raw NUL', ['/admin\0'], 'forbidden_character'],
  ['encoded CR, LF, TAB, DEL', ['/admin%0d', '/admin%0a', '/admin%09', '/admin%7f'], 'encoded_control'],
  ['raw CR, LF, TAB, space, DEL', ['/a\r', '/a\n', '/a\t', '/a b', '/a\x7f'], 'forbidden_character'],
  [
    'overlong or invalid UTF-8',
    ['/public/..%c0%afadmin', '/public/%2e%2e%c0%afadmin', '/files/%c0%af', '/admin%ff', '/%ed%a0%80'],
    'bad_utf8',
  ],
  [
    'invalid percent-encoding',
    ['/admin%zz', '/admin%', '/admin%2', '/%u0061dmin', '/%6g', '/%G6', '/a%%41'],
    'bad_percent_encoding',
  ],
  ['Unicode look-alikes', ['/%ef%bd%81dmin', '/a%ef%bc%8fb', '/a%e2%80%a8b'], 'accepted'],
  ['raw non-ASCII', ['/admin\xe9', '/\u212aey'], 'forbidden_character'],
  [
    'raw controls, spaces and non-ASCII in the query',
    ['/a?\xa0', '/a?b\xa0c', '/a?b c', '/a?\t', '/a?\n', '/a?\0', '/a?\x7f', '/a?\ufeff', '/a?\xe9'],
    'forbidden_character',
  ],
  ['absolute form', ['http://evil.example/admin', 'https://a/', 'HTTP://u:p@a/'], 'not_origin_form'],
  ['unusual scheme', ['ftp://evil.example/admin'], 'not_origin_form'],
  ['absolute form with dots', ['http://evil.example/admin/../public/x'], 'not_origin_form'],
  ['fragment', ['/admin#frag', '/admin#?x', '/admin/x#/../../public', '/admin?x#y'], 'fragment'],
  ['query tricks', ['/admin?x=1', '/admin/x?/../../public', '/q?x=%2F..%2f', '/a?%zz;\\?'], 'accepted'],
  ['encoded question mark and hash', ['/admin%3fx=1', '/admin%23x'], 'accepted'],
  ['asterisk and authority form', ['*', 'evil.example:443', ''], 'not_origin_form'],
  ['empty parameter', ['/files/'], 'accepted'],
]

for (const [name, targets, verdict] of classes) {
  test(`${verdict === 'accepted' ? 'accepts' : 'refuses'} ${name}`, () => {
    for (const url of targets) assert.equal(judge({ ...plain, url }), verdict, JSON.stringify(url))
  })
}

test('refuses every character that String.prototype.trim removes, at either end of a segment', () => {
  let count = 0
  for (let code = 0x21; code <= 0xff_ff; code += 1) {
    const character = String.fromCharCode(code)
    if (character.trim() !== '') continue
    count += 1
    const escaped = encodeURIComponent(character)
    for (const url of [`/a${escaped}`, `/${escaped}a`, `/a${escaped}/b`, `/a/${escaped}b?x`]) {
      assert.equal(judge({ ...plain, url }), 'edge_whitespace', url)
    }
    assert.equal(judge({ ...plain, url: `/a${escaped}b` }), 'accepted', escaped)
  }
  assert.equal(count, 19)
})

test('refuses OPTIONS * like any other target that is not a path', () => {
  assert.equal(judge({ ...plain, method: 'OPTIONS', url: '*' }), 'not_origin_form')
})

test('accepts HEAD and OPTIONS and leaves them to the rules', () => {
  for (const method of ['HEAD', 'OPTIONS']) assert.equal(judge({ ...plain, method, url: '/admin' }), 'accepted')
})

test('ignores headers that could override the method or the path', () => {
  const rewriting = ['X-Original-URL', '/public', 'X-Rewrite-URL', '/public', 'x-middleware-subrequest', 'x']
  const rawHeaders = ['Host', 'saas.example', 'X-HTTP-Method-Override', 'DELETE', ...rewriting]
  assert.equal(accept({ ...plain, method: 'POST', url: '/admin?_method=DELETE', rawHeaders }).path, '/admin')
})

test('refuses methods that are unknown or not in upper case', () => {
  for (const method of ['get', 'Get', 'FOO', 'TRACE', 'QUERY', 'CONNECT', '']) {
    assert.equal(judge({ ...plain, method }), 'unknown_method', method)
  }
})

test('accepts an additional method that was registered', () => {
  const parseMore = createTargetParser(new Set([...commonMethods, 'PROPFIND']))
  assert.equal(parseMore({ ...plain, method: 'PROPFIND' }).accepted, true)
})

test('decodes ordinary paths once', () => {
  const paths: readonly (readonly [sent: string, decoded: string])[] = [
    ['/v1/items/42', '/v1/items/42'],
    ['/caf%C3%A9', '/café'],
    ['/a%20b', '/a b'],
    ['/@scope/pkg', '/@scope/pkg'],
    ['/%40scope/pkg', '/@scope/pkg'],
    ['/x:y', '/x:y'],
    ['/a,b', '/a,b'],
    ['/q?x=%2F..%2f', '/q'],
    ['/', '/'],
    ['/?', '/'],
    ['/a/', '/a/'],
    ['/grpc.Service/Method', '/grpc.Service/Method'],
    ['/a+b', '/a+b'],
    ['/a%2Bb', '/a+b'],
    ["/o'neil", "/o'neil"],
    ['/(x)', '/(x)'],
    ['/.well-known/x', '/.well-known/x'],
    ['/...', '/...'],
    ['/a..b', '/a..b'],
    ['/..a/.b', '/..a/.b'],
    ['/a%3Fb%23c', '/a?b#c'],
    ['/*', '/*'],
    ['/%F0%9F%98%80', '/😀'],
  ]
  for (const [sent, decoded] of paths) assert.equal(accept({ ...plain, url: sent }).path, decoded, sent)
})

test('never normalizes Unicode, so a look-alike stays different', () => {
  assert.equal(accept({ ...plain, url: '/%ef%bd%81dmin' }).path, '/\uff41dmin')
  assert.equal(accept({ ...plain, url: '/e%CC%81' }).path, '/e\u0301')
})

test('marks a path without upper case and escapes as not affected by case folding', () => {
  assert.equal(accept({ ...plain, url: '/a-b/1?X=Y' }).isFoldable, false)
  assert.equal(accept({ ...plain, url: '/a/B' }).isFoldable, true)
  assert.equal(accept({ ...plain, url: '/%E2%84%AA' }).isFoldable, true)
})

test('names the position but never the text that it refuses', () => {
  const refusal = parsePath('/secret-value;x')
  assert.ok(!refusal.accepted)
  assert.equal(refusal.reason, 'forbidden_character')
  assert.ok(!refusal.detail.includes('secret'))
})

test('requires exactly one Host on HTTP/1, however it is spelled', () => {
  assert.equal(judge({ ...plain, rawHeaders: [] }), 'missing_host')
  assert.equal(judge({ ...plain, rawHeaders: ['Accept', '*/*'] }), 'missing_host')
  for (const name of ['Host', 'host', 'HOST', 'hOsT']) {
    assert.equal(judge({ ...plain, rawHeaders: ['Accept', '*/*', name, 'a'] }), 'accepted', name)
    assert.equal(judge({ ...plain, rawHeaders: ['Host', 'a', 'Date', 'x', name, 'a'] }), 'several_hosts', name)
  }
  assert.equal(judge({ ...plain, rawHeaders: ['Most', 'a'] }), 'missing_host')
})

test('refuses :authority on HTTP/1', () => {
  assert.equal(judge({ ...plain, rawHeaders: [':authority', 'a'] }), 'missing_host')
})

test('accepts a host name or an address, with or without a port', () => {
  const hosts = ['a', 'A.Example', 'a.example.', 'a_b', 'localhost:80', '10.0.0.1:8443', '[::1]', '[2001:DB8::1]:65535']
  for (const host of hosts) assert.equal(judge({ ...plain, rawHeaders: ['Host', host] }), 'accepted', host)
})

test('refuses a Host that contains a path, a query, credentials or anything else', () => {
  const names = [
    '',
    ' ',
    'a b',
    'a/b',
    'a.com/public?x=',
    'u@b',
    'a?b',
    'a#b',
    'a\\b',
    'a,b',
    'a:',
    'a:b',
    'a:1:2',
    'a:123456',
  ]
  const addresses = [
    '[::1',
    '::1',
    '[::1]x',
    '[]',
    '[1]',
    '[:::]',
    '[::ffff:1.2.3.4.5]',
    '[v1.x]',
    'a%2eb',
    'é',
    'a'.repeat(256),
  ]
  for (const host of [...names, ...addresses])
    assert.equal(judge({ ...plain, rawHeaders: ['Host', host] }), 'bad_host', host)
})

test('remembers only the last valid host', () => {
  for (const [host, verdict] of [
    ['a', 'accepted'],
    ['a/b', 'bad_host'],
    ['a/b', 'bad_host'],
    ['a', 'accepted'],
  ]) {
    assert.equal(judge({ ...plain, rawHeaders: ['Host', host ?? ''] }), verdict)
  }
})

test('requires on HTTP/2 that :authority is valid and matches Host', () => {
  const cases: readonly (readonly [rawHeaders: readonly string[], verdict: TargetReason | 'accepted'])[] = [
    [[':authority', 'a'], 'accepted'],
    [['host', 'a'], 'accepted'],
    [[':authority', 'a', 'host', 'a'], 'accepted'],
    [[':authority', 'a', 'host', 'b'], 'authority_mismatch'],
    [[':authority', 'a', 'host', 'a', 'host', 'a'], 'several_hosts'],
    [[':authority', 'a/b'], 'bad_host'],
    [[':authority', ''], 'bad_host'],
    [[], 'missing_host'],
  ]
  for (const [rawHeaders, verdict] of cases) {
    assert.equal(judge({ ...plain, httpVersionMajor: 2, rawHeaders }), verdict, rawHeaders.join(' '))
  }
})

function judge(request: TargetRequest): TargetReason | 'accepted' {
  const target = parse(request)
  return target.accepted ? 'accepted' : target.reason
}

function accept(request: TargetRequest): CanonicalTarget {
  const target: CanonicalTarget | TargetRefusal = parse(request)
  assert.ok(target.accepted, request.url)
  return target
}
