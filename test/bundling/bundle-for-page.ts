import { fileURLToPath } from 'node:url'
import { build, type BuildOptions } from 'esbuild'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** The decisions of `page.ts`, in any environment. */
export const expectedDecisions: readonly string[] = [
  'allow',
  'deny 403 authority_missing',
  'deny 403 unauthenticated',
  'allow',
  'deny 403 caller_not_listed',
  'deny 403 namespace_not_listed',
  'allow',
  'deny 403 no_rule',
  'deny 400 dot_segment',
  'allow',
  'denied: 403 access_denied (authority_missing)',
  'option_unknown',
  'ns production sa core-api',
]

/** The program. */
export const entryPoints: string[] = [here('page.ts')]

/** Bundles a program for a page: nothing in it may need Node. */
export const pageOptions = {
  bundle: true,
  platform: 'browser',
  format: 'iife',
  globalName: 'page',
  write: false,
  logLevel: 'silent',
} as const satisfies BuildOptions

/** The Node modules that `micromatch` needs, as in packages/authorization/README.md. */
export const micromatchOptions = {
  alias: { path: here('node-for-micromatch.ts'), util: here('node-for-micromatch.ts') },
  define: { 'process.platform': '"browser"' },
} as const satisfies BuildOptions

/** The program as one script that sets the global variable `page`. */
export async function bundleForPage(): Promise<string> {
  const { outputFiles } = await build({ ...pageOptions, ...micromatchOptions, entryPoints })
  return outputFiles.map(({ text }) => text).join('')
}
