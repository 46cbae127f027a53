import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { scale } from '../support/long.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

// As in docs/bundling.md.
const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

const expected = `Express /hello: 200
Express /admin/keys: 403
Express /ADMIN/keys: 403
Fastify: 200
websocket: hello
plain: 200
Workload API: spiffe://saas.example/ns/production/sa/billing
no agent: SourceError < AgentError
PKCS#12: spiffe://saas.example/ns/production/sa/core-api
documents: policies.yaml:3:5
no rules: ConfigurationError
`

for (const format of ['cjs', 'esm'] as const) {
  for (const minify of scale([format === 'cjs'], [false, true])) {
    const how = minify ? 'bundled and minified' : 'bundled'
    test(`a service bundled by ${how} as ${format} behaves as unbundled, in another folder`, async (context) => {
      const folder = mkdtempSync(join(tmpdir(), 'countersign-bundled-'))
      context.after(() => rmSync(folder, { recursive: true, force: true }))
      const outfile = join(folder, format === 'cjs' ? 'service.cjs' : 'service.mjs')
      const { warnings } = await build({
        entryPoints: [here('service.ts')],
        bundle: true,
        platform: 'node',
        target: 'node20',
        format,
        minify,
        outfile,
        logLevel: 'silent',
        ...(format === 'esm' && { banner: { js: banner } }),
      })
      assert.deepEqual(
        warnings.map(({ text: warning }) => warning),
        [],
      )
      writeFileSync(join(folder, 'policies.yaml'), 'version: 1\npolicies:\n  - { name: a, action: DENY }\n')
      const child = spawn(process.execPath, [outfile], {
        cwd: folder,
        env: { ...process.env, KEY_STORES: here('../vectors/key-stores'), POLICIES: join(folder, 'policies.yaml') },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      context.after(() => child.kill('SIGKILL'))
      const [printed, failed] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
      // A minified line of the stack may be a megabyte long.
      assert.deepEqual([printed, failed.slice(-2000), child.exitCode], [expected, '', 0])
    })
  }
}

test('this test passes the bundler the options from the documentation page', () => {
  assert.ok(readFileSync(here('../../docs/bundling.md'), 'utf8').includes(banner))
})
