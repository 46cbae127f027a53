import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import * as core from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import express from 'express'
import { call, callMethod, checkMistakes, coreApi, create, guard, rules, source } from './mistakes.ts'

const { authenticated, hasAuthority, inNamespace } = core

checkMistakes([
  [
    'missing options',
    () => call(core.createGuard),
    'option_invalid',
    /^createGuard: found undefined, expected an object with options such as source, rules/,
  ],
  [
    'a source instead of the options',
    () => call(core.createGuard, source),
    'option_invalid',
    /^createGuard: found a source, expected an object/,
  ],
  [
    'options that were not awaited',
    () => call(core.createGuard, Promise.resolve({ source })),
    'option_invalid',
    /^createGuard: found a promise, which was not awaited/,
  ],
  [
    'a source that was not awaited',
    () => call(core.createGuard, { source: Promise.resolve(source), rules }),
    'option_invalid',
    /source: found a promise.*await/,
  ],
  [
    'a guard instead of the source',
    () => call(core.createGuard, { source: guard, rules }),
    'option_invalid',
    /source: found a guard, expected a source such as fileSource/,
  ],
  [
    'fileSource without the call',
    () => call(core.createGuard, { source: core.fileSource, rules }),
    'option_invalid',
    /found the function fileSource/,
  ],
  [
    'rules one level too deep',
    () => call(core.createGuard, { source, options: { rules } }),
    'option_unknown',
    /'options'/,
  ],
  [
    'one rule instead of the list',
    () => call(core.createGuard, { source, rules: rules[0] }),
    'option_invalid',
    /rules: found an object, expected a list of rules/,
  ],
  [
    'rules of null',
    () => call(core.createGuard, { source, rules: null }),
    'option_invalid',
    /rules: found null, expected a list/,
  ],
  [
    'authenticated without the call',
    () => call(core.createGuard, { source, rules: [{ path: '/**', allow: authenticated }] }),
    'option_invalid',
    /rules\[0\]\.allow: found the function authenticated, expected a requirement such as authenticated\(\)/,
  ],
  [
    'hasAuthority without the call',
    () => call(core.anyOf, authenticated(), hasAuthority),
    'option_invalid',
    /anyOf\[1\]: found the function hasAuthority, expected a requirement such as hasAuthority\(…\)/,
  ],
  [
    'the name of a requirement',
    () => callMethod(guard, 'compileRoute', 'authenticated', 'x'),
    'option_invalid',
    /found 'authenticated', expected a requirement such as authenticated\(\)/,
  ],
  [
    'a function instead of custom()',
    () => callMethod(guard, 'compileRoute', function office() {}, 'x'),
    'option_invalid',
    /found the function office, expected a requirement such as custom\('office', office\)/,
  ],
  [
    'true instead of a requirement',
    () => callMethod(guard, 'compileRoute', true, 'x'),
    'option_invalid',
    /found true, expected a requirement such as authenticated\(\)/,
  ],
  [
    'no allow at all',
    () => call(core.createGuard, { source, rules: [{ path: '/**' }] }),
    'option_invalid',
    /rules\[0\]\.allow: found undefined, expected a requirement/,
  ],
  [
    'a list of requirements',
    () => callMethod(guard, 'compileRoute', [authenticated()], 'x'),
    'option_invalid',
    /found a list, expected one requirement.*anyOf/,
  ],
  [
    'a list inside anyOf()',
    () => call(core.anyOf, [authenticated(), inNamespace('a')]),
    'option_invalid',
    /anyOf\[0\]: found a list/,
  ],
  [
    'a list inside hasAnyAuthority()',
    () => call(core.hasAnyAuthority, ['A', 'B']),
    'option_invalid',
    /hasAnyAuthority\[0\]: found a list.*\.\.\.list/,
  ],
  [
    'a second authority',
    () => call(hasAuthority, 'A', 'B'),
    'option_invalid',
    /hasAuthority: found 'B' as an additional argument.*hasAnyAuthority/,
  ],
  [
    'an argument of authenticated()',
    () => call(authenticated, 'A'),
    'option_invalid',
    /authenticated: found 'A' as an additional argument, expected none/,
  ],
  [
    'a third argument of custom()',
    () => call(core.custom, 'x', () => true, authenticated()),
    'option_invalid',
    /custom: found an object as an additional/,
  ],
  [
    'an authorities function that waits',
    () => call(core.createGuard, { source, rules, authorities: async () => [] }),
    'option_invalid',
    /authorities: .*never waits/,
  ],
  [
    'a formatDenial function that waits',
    () => call(core.createGuard, { source, rules, formatDenial: async () => '' }),
    'option_invalid',
    /formatDenial: .*never waits/,
  ],
  [
    'a class instead of a log',
    () =>
      call(core.createGuard, {
        source,
        rules,
        log: class Log {
          readonly a = 1
        },
      }),
    'option_invalid',
    /log: found the class Log, expected a function/,
  ],
  [
    'explain without a method',
    () => callMethod(guard, 'explain', { caller: null, path: '/' }),
    'option_invalid',
    /explain: method: found undefined, expected an HTTP method such as 'GET'/,
  ],
  [
    'explain without a path',
    () => callMethod(guard, 'explain', { caller: null, method: 'GET' }),
    'option_invalid',
    /explain: path: found undefined/,
  ],
  [
    'explain without a caller',
    () => callMethod(guard, 'explain', { method: 'GET', path: '/' }),
    'option_invalid',
    /explain: caller: found undefined.*null/,
  ],
  [
    'explain with a misspelt option',
    () => callMethod(guard, 'explain', { callr: coreApi, method: 'GET', path: '/' }),
    'option_unknown',
    /'callr'.*'caller'/,
  ],
  ['explain with arguments', () => callMethod(guard, 'explain', coreApi), 'option_invalid', /explain: found 'spiffe:/],
  [
    'explain with headers as a list',
    () => callMethod(guard, 'explain', { caller: null, method: 'GET', path: '/', headers: [] }),
    'option_invalid',
    /explain: headers: found an empty list/,
  ],
  [
    'explain with an invalid reading',
    () => callMethod(guard, 'explain', { caller: null, method: 'GET', path: '/', semantics: true }),
    'option_invalid',
    /explain: semantics: found true/,
  ],
  [
    'explain with an incomplete reading',
    () => callMethod(guard, 'explain', { caller: null, method: 'GET', path: '/', semantics: { foldCase: 'ascii' } }),
    'option_invalid',
    /semantics\.foldTrailingSlash/,
  ],
  [
    'explain with an unknown folding',
    () =>
      callMethod(guard, 'explain', {
        caller: null,
        method: 'GET',
        path: '/',
        semantics: { foldCase: true, foldTrailingSlash: true },
      }),
    'option_invalid',
    /semantics\.foldCase/,
  ],
  [
    'a server without TLS',
    () => callMethod(guard, 'attach', createHttpServer()),
    'server_unsuitable',
    /found a server without TLS, expected a server made with guard\.tlsOptions/,
  ],
  [
    'an application instead of a server',
    () => callMethod(guard, 'attach', express()),
    'server_unsuitable',
    /found an Express application/,
  ],
  ['no server', () => callMethod(guard, 'attach', undefined), 'server_unsuitable', /found undefined/],
  [
    'an unknown option of attach',
    () => callMethod(guard, 'attach', createHttpsServer(guard.tlsOptions()), { routings: () => ({}) }),
    'option_unknown',
    /guard\.attach: .*'routings'.*'routing'/,
  ],
  [
    'an option of attach that is not a function',
    () => callMethod(guard, 'attach', createHttpsServer(guard.tlsOptions()), { routing: {} }),
    'option_invalid',
    /guard\.attach: routing: found an object/,
  ],
  [
    'the TLS options of a second guard',
    () => callMethod(guard, 'attach', createHttpsServer(create().tlsOptions())),
    'server_unsuitable',
    /another guard/,
  ],
  [
    'the verdict of admit that was not awaited',
    () => call(isDenial, Promise.resolve(guard)),
    'option_invalid',
    /isDenial: found a promise/,
  ],
  [
    'key material instead of a path',
    () => call(core.fileSource, { key: Buffer.from('x'), cert: 'c', bundles: 'b' }),
    'option_invalid',
    /^key: found bytes, expected the path of a file; .*staticSource\(\)/,
  ],
  [
    'a certificate instead of a path',
    () => call(core.fileSource, { key: 'k', cert: Buffer.from('x'), bundles: 'b' }),
    'option_invalid',
    /^cert: found bytes.*staticSource\(\)/,
  ],
  [
    'bundles as bytes',
    () => call(core.fileSource, { key: 'k', cert: 'c', bundles: Buffer.from('x') }),
    'option_invalid',
    /^bundles: found bytes.*staticSource\(\)/,
  ],
  [
    'bundles as a map',
    () => call(core.fileSource, { key: 'k', cert: 'c', bundles: new Map() }),
    'option_invalid',
    /^bundles: found an object of class Map/,
  ],
  [
    'a URL instead of a path',
    () => call(core.fileSource, { key: new URL('file:///k'), cert: 'c', bundles: 'b' }),
    'option_invalid',
    /^key: found an object of class URL.*fileURLToPath/,
  ],
  [
    'a path alone',
    () => call(core.fileSource, '/run/spire'),
    'option_invalid',
    /^fileSource: found '\/run\/spire', expected an object/,
  ],
])
