import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'

/** Runs a program that prints the heap growth in MiB, in a separate process that can collect garbage. */
async function measureGrowth(program: string): Promise<number> {
  const source = `
    import { compileRules } from './rules.js'
    import { createTargetParser } from './target.js'
    const parse = createTargetParser(new Set(['GET']))
    const read = (url) => {
      const target = parse({ method: 'GET', url, httpVersionMajor: 1, rawHeaders: ['Host', 'a'] })
      if (!target.accepted) throw new Error(target.reason)
      return target
    }
    const rules = compileRules([{ path: '/**', allow: { denyAll: true } }], { localTrustDomain: 'saas.example' })
    const exact = { foldCase: false, foldTrailingSlash: false }
    const used = () => {
      for (let turn = 0; turn < 3; turn += 1) gc()
      return process.memoryUsage().heapUsed
    }
    ${program}
    console.log((used() - before) / 1024 / 1024)
    // Still in use, so that it is not collected earlier.
    parse({ method: 'GET', url: '/', httpVersionMajor: 1, rawHeaders: ['Host', 'a'] })
    rules.find('GET', read('/'), exact)
  `
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '--eval', source], {
    cwd: new URL('../../packages/authorization/dist', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  assert.equal(child.exitCode, 0)
  return Number(printed)
}

test('the cache for paths does not grow with the number of methods and readings', async () => {
  const growth = await measureGrowth(`
    const readings = [false, 'ascii', 'unicode'].flatMap((foldCase) =>
      [false, true].map((foldTrailingSlash) => ({ foldCase, foldTrailingSlash })))
    const before = used()
    for (let index = 0; index < 10_000; index += 1) {
      const target = read('/' + index + 'a'.repeat(240))
      for (const method of rules.knownMethods) for (const reading of readings) rules.find(method, target, reading)
    }
  `)
  // Twice 4 MiB, and the same again for V8's overhead.
  assert.ok(growth < 16, `${growth} MiB`)
})

test('a path cut out of a long string does not keep that string in memory', async () => {
  const growth = await measureGrowth(`
    const before = used()
    for (let index = 0; index < 2000; index += 1) {
      const long = Buffer.alloc(65_536, 'a')
      long.write('/' + index + '/')
      const target = read(long.toString('latin1').slice(0, 200))
      rules.find('GET', target, exact)
    }
  `)
  // 2000 times 64 KiB would be 125 MiB.
  assert.ok(growth < 16, `${growth} MiB`)
})

test('the caches of policies stay within their bound', async () => {
  const growth = await measureGrowth(`
    const { compilePolicies } = await import('./policy/compile-policies.js')
    const { decidePolicies } = await import('./policy/decide-policies.js')
    const paths = ['/**', '/*', '/*/**']
    const policies = ['DENY', 'ALLOW'].flatMap((action) => paths.map((path, index) =>
      ({ name: action + index, action, to: [{ paths: [path], hosts: ['a'] }], from: [{ ipBlocks: ['10.0.0.1'] }] })))
    const set = compilePolicies(policies, { localTrustDomain: 'saas.example', isAllowRequired: true })
    const before = used()
    for (let index = 0; index < 60_000; index += 1) {
      const facts = { host: 'b', port: 1, socketAddress: '::' + index.toString(16), headerLines: () => [] }
      const request = { principal: null, method: 'GET', message: { headers: {} }, facts, semantics: exact }
      decidePolicies(set, { ...request, target: read('/' + index + 'a'.repeat(20)) })
    }
  `)
  // 4 MiB for the targets, as much for the policies, and the same again for V8's overhead.
  assert.ok(growth < 16, `${growth} MiB`)
})
