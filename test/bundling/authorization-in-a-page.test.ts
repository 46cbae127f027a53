import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { fileURLToPath } from 'node:url'
import { build, type BuildFailure } from 'esbuild'
import { bundleForPage, entryPoints, expectedDecisions, micromatchOptions, pageOptions } from './bundle-for-page.ts'

test('decides requests in an environment without Node', async () => {
  const script = await bundleForPage()
  // JavaScript itself, and the Web APIs that every page and worker has.
  const context = createContext({ URL, TextEncoder, TextDecoder, crypto: globalThis.crypto })
  const found: unknown = runInContext(`${script}; JSON.stringify(page.decisions)`, context)
  assert.deepEqual(JSON.parse(String(found)), expectedDecisions)
  const globals: unknown = runInContext('[typeof process, typeof Buffer, typeof require].join()', context)
  assert.equal(globals, 'undefined,undefined,undefined')
})

test('only micromatch needs Node modules, and only those that its page lists', async () => {
  const { errors } = await failureOf(build({ ...pageOptions, entryPoints, define: micromatchOptions.define }))
  const asked = errors.map(({ text, location }) => {
    const [, name = ''] = /Could not resolve "([^"]+)"/.exec(text) ?? [undefined, text]
    const [, by = ''] = /.*node_modules\/([^/]+)\//.exec(location?.file ?? '') ?? []
    return `${by}: ${name}`
  })
  assert.deepEqual([...new Set(asked)].toSorted(), ['fill-range: util', 'micromatch: util', 'picomatch: path'])
})

test('a bundle that imports only names contains no certificate code', async () => {
  const { outputFiles, metafile } = await build({
    ...pageOptions,
    stdin: {
      contents: "export { SpiffeId, parseTrustDomain } from '@countersign/spiffe/id'",
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    minify: true,
    metafile: true,
  })
  const inputs = Object.keys(metafile.inputs).filter((file) => file !== '<stdin>')
  assert.ok(inputs.length > 0)
  assert.deepEqual(
    inputs.filter((file) => !/packages\/spiffe\/dist\/(?:id|errors|options|spiffe-id\/[\w-]+)\.js$/.test(file)),
    [],
  )
  const size = outputFiles.reduce((sum, { contents }) => sum + contents.length, 0)
  assert.ok(size < 16 * 1024, `${size} bytes`)
})

async function failureOf(building: Promise<unknown>): Promise<Pick<BuildFailure, 'errors'>> {
  try {
    await building
  } catch (error) {
    if (isFailure(error)) return error
    throw error
  }
  return assert.fail('it was bundled')
}

function isFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && 'errors' in error
}
