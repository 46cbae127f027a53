import { requestText } from './raw-connection.ts'

/** The classes of ambiguous request targets, and the bytes of some requests of each. */
export const requestLines: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    'duplicate slash': gets('//admin', '///admin', '//admin/x', '/admin//x'),
    'inner duplicate slash': gets('/api//secret', '/users//me', '/api/secret//'),
    'protocol-relative': gets('//evil/admin', '//billing.internal/admin'),
    'dot segments': gets('/./admin', '/api/x/../secret', '/api/./secret', '/admin/.'),
    'dot segments out of a protected tree': gets('/admin/../public', '/admin/x/../../public/x'),
    'dot segments into a protected tree': gets('/public/../admin', '/public/x/../../admin/x'),
    'encoded dots': gets('/public/%2e%2e/admin', '/public/.%2E/admin', '/%2e/admin'),
    'encoded slash': gets('/public/..%2fadmin', '/files/a%2fb', '/api%2fsecret', '/admin%2Fx', '/%2fadmin'),
    'double encoding': gets('/public/%252e%252e/admin', '/%2561dmin', '/api%252fsecret'),
    backslash: gets('/\\admin', '/public\\..\\admin', '/admin/x\\..\\..\\public', '/admin\\x'),
    'encoded backslash': gets('/public%5c..%5cadmin', '/admin%5cx', '/%5Cadmin'),
    'encoded letters': gets('/%61dmin', '/%61pi/secret', '/users/%6de', '/admi%6E/x', '/%41DMIN'),
    case: gets('/ADMIN', '/API/secret', '/users/ME', '/Admin/X', '/api/SECRET', '/admin/%e2%84%aa', '/API/SECRET?x'),
    'trailing slash': gets('/admin/', '/api/secret/', '/users/me/', '/admin/x/', '/admin/?x', '/ADMIN/'),
    'matrix parameters': gets(
      '/admin;x=1',
      '/admin;',
      '/api/secret;x',
      '/admin;/x',
      '/api;v=1/secret',
      '/users/me;a=b',
    ),
    'matrix parameters with dots': gets('/public/..;/admin', '/public;/../admin', '/public/..;x=1/admin'),
    'trailing dot and extension': gets('/admin.', '/admin.json', '/admin%2e', '/api/secret.'),
    'trailing space and plus': gets('/admin%20', '/admin+', '/admin ', '/api/secret%20'),
    NUL: gets('/admin%00', '/files/a%00b', '/admin\0', '/api/secret%00.txt'),
    'CR, LF and TAB': gets('/admin%0d', '/admin%0a', '/admin%09', '/admin\t', '/admin%0d%0aX:y'),
    'overlong and invalid UTF-8': gets(
      '/public/..%c0%afadmin',
      '/files/%c0%af',
      '/admin%ff',
      '/%c1%a1dmin',
      '/admin/%ff',
    ),
    'invalid percent-encoding': gets('/admin%zz', '/admin%', '/%u0061dmin', '/admin/%', '/admin/%f'),
    'Unicode look-alikes': gets(
      '/%ef%bd%81dmin',
      '/public%ef%bc%8f..%ef%bc%8fadmin',
      '/admin%e2%80%a8',
      '/api/%c5%bfecret',
      '/%E2%84%AA',
    ),
    'raw bytes outside of ASCII': gets('/admin\xe9', '/caf\xc3\xa9', '/admin/\xff', '/files/\xe9'),
    'absolute form': [
      ...gets('http://evil.example/admin', 'https://evil.example/admin', 'HTTP://evil.example/api/secret'),
      ...gets('http://a@evil.example/admin', 'https://billing.internal/admin', 'https://billing.internal/api/secret'),
    ],
    'unusual scheme': gets('ftp://evil.example/admin', 'x://y/admin', 'file:///admin'),
    'absolute form with dots': gets('http://evil.example/admin/../public/x', 'http://evil.example/public/../admin'),
    fragment: gets('/admin#frag', '/admin#?x', '/admin/x#/../../public', '/public?#/../admin', '/api/secret#'),
    'tricks in the query': gets('/admin?x=1', '/admin/x?/../../public', '/api/secret?', '/admin??', '/users/me?%2e%2e'),
    'encoded question mark and number sign': gets('/admin%3fx=1', '/admin%23x', '/admin/%3f/../public', '/admin/%3f'),
    'asterisk and authority form': [...gets('*', 'evil.example:443', 'admin'), requestText('OPTIONS * HTTP/1.1')],
    HEAD: ['/admin', '/api/secret', '/users/me', '/admin/x'].map((path) => requestText(`HEAD ${path} HTTP/1.1`)),
    OPTIONS: ['/admin', '/api/secret', '/admin/x'].map((path) => requestText(`OPTIONS ${path} HTTP/1.1`)),
    'method override': [
      post('/admin', 'X-HTTP-Method-Override: DELETE'),
      post('/admin?_method=DELETE'),
      post('/api/secret', 'X-HTTP-Method: GET', 'X-Method-Override: GET'),
    ],
    'unknown methods and other spellings': [
      'get',
      'Get',
      'FOO',
      'TRACE',
      'QUERY',
      'CONNECT',
      'PROPFIND',
      'PURGE',
      'M-SEARCH',
    ].flatMap((method) => [requestText(`${method} /admin HTTP/1.1`), requestText(`${method} /api/secret HTTP/1.1`)]),
    'rewrite headers': ['X-Original-URL: /admin', 'X-Rewrite-URL: /admin', 'X-Forwarded-Prefix: /admin'].flatMap(
      (header) => [
        requestText('GET /public/x HTTP/1.1', ['Host: billing.internal', header]),
        requestText('GET /admin HTTP/1.1', ['Host: billing.internal', header.replace('/admin', '/public/x')]),
        requestText('GET /admin HTTP/1.1', ['Host: billing.internal', 'x-middleware-subrequest: middleware', header]),
      ],
    ),
    'empty parameter': gets('/files/', '/files//', '/users/', '/api/'),
    'poisoned Host': ['a.com/public?x=', 'u@b', 'a b', '', 'a.com#', 'a.com\\public', 'a,b', '[::1', 'a.com:x'].map(
      (host) => requestText('GET /admin HTTP/1.1', [`Host: ${host}`]),
    ),
  }),
)

/** Unambiguous targets, which must not be refused. */
export const ordinaryTargets: readonly string[] = [
  '/v1/items/42',
  '/caf%C3%A9',
  '/a%20b',
  '/@scope/pkg',
  '/x:y',
  '/a,b',
  '/q?x=%2F..%2f',
  '/',
  '/a/',
  '/grpc.Service/Method',
  '/a+b',
  "/o'neil",
  '/(x)',
  '/.well-known/x',
  '/...',
  '/a..b',
  '/~x',
  '/a=b&c=d',
  '/$metadata',
  '/q?a=%zz&b=//',
  '/admin',
  '/admin/x',
  '/api/secret',
  '/users/me',
  '/files/x',
  '/no/such/route',
]

function gets(...targets: readonly string[]): readonly string[] {
  return targets.map((target) => requestText(`GET ${target} HTTP/1.1`))
}

function post(target: string, ...headers: readonly string[]): string {
  return requestText(`POST ${target} HTTP/1.1`, ['Host: billing.internal', 'Content-Length: 0', ...headers])
}
