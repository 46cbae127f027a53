import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail, root } from '../setup.mjs'

const folder = join(root, 'test')
const output = join(folder, 'dist')

/**
 * Compiles every file under test/ to JavaScript in test/dist, about half a second for all of them, so that no test
 * process loads a compiler. Types are checked earlier by `tsc -b`. Three things differ from the source:
 *
 * - An import of a package's source becomes one of its build output. A class then exists once, whether a test
 *   imports it by the package's name or from its sources.
 * - `import.meta.url` and `import.meta.dirname` keep the values of the source, so that neighbouring files are found.
 * - `node:test` becomes `inside/node-test.mjs`, which gives every test a time limit.
 */
export async function compileTests() {
  // Imported late, because it is not installed yet on a fresh clone.
  const esbuild = await import('esbuild')
  const done = await build(esbuild)
  for (const { path, contents } of done.outputFiles) writeChanged(path, contents)
}

async function build(esbuild) {
  try {
    return await esbuild.build({
      absWorkingDir: root,
      entryPoints: listSources(),
      outdir: output,
      outbase: folder,
      write: false,
      // Bundles with all imports external, because esbuild can rewrite imports only when it bundles.
      bundle: true,
      treeShaking: false,
      plugins: [{ name: 'imports', setup: rewriteImports }],
      format: 'esm',
      platform: 'node',
      target: 'node20.19',
      sourcemap: 'inline',
      sourcesContent: false,
      define: { 'import.meta.url': 'sourceUrl', 'import.meta.dirname': 'sourceFolder' },
      banner: { js: sourceConstants },
      logLevel: 'silent',
    })
  } catch (error) {
    return fail(`The tests could not be compiled: ${error.message}`)
  }
}

/** Returns the JavaScript path of a test file: test/svid/requirements.test.ts → test/dist/svid/requirements.test.js. */
export function compiledPath(file, base = root) {
  return join(base, file.replace(/^test\//, 'test/dist/').replace(/\.ts$/, '.js'))
}

const sourceConstants = `
const sourceUrl = import.meta.url.replace(/\\/test\\/dist\\/(.*)\\.js$/, '/test/$1.ts')
const sourceFolder = import.meta.dirname.replace(/([\\\\/])dist([\\\\/][^\\\\/]*)$/, '$2')
`.trim()

function rewriteImports(build) {
  build.onResolve({ filter: /.*/ }, ({ path, kind }) => {
    if (kind === 'entry-point') return undefined
    return { path: rewritten(path), external: true }
  })
}

function rewritten(path) {
  if (path === 'node:test') return '../../../scripts/test/inside/node-test.mjs'
  const inside = /^\.\.\/\.\.\/(packages|examples)\/([^/]+)\/src\/(.+)\.ts$/.exec(path)
  if (inside !== null) return `../../../${inside[1]}/${inside[2]}/dist/${inside[3]}.js`
  return path.startsWith('.') ? path.replace(/\.ts$/, '.js') : path
}

function listSources() {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules' && entry.name !== 'dist')
    .flatMap(({ name }) => readdirSync(join(folder, name)).map((file) => join(folder, name, file)))
    .filter((file) => file.endsWith('.ts'))
}

// Unchanged files are not written, because another test run may be reading them.
function writeChanged(path, contents) {
  try {
    if (readFileSync(path).equals(contents)) return
  } catch {
    mkdirSync(dirname(path), { recursive: true })
  }
  writeFileSync(path, contents)
}
