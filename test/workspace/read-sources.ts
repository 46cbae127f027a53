import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of all packages. */
export const packages: string = fileURLToPath(new URL('../../packages', import.meta.url))

/** An import of a source file. */
export interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

/** A source file of a package. */
export interface Source {
  readonly file: string
  readonly lines: number
  readonly imports: readonly Import[]
}

/** Reads the source files of a package. */
export function readSources(name: string): readonly Source[] {
  const folder = join(packages, name, 'src')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  assert.ok(files.length > 0, `packages/${name}/src has no .ts file: nothing was checked`)
  return files.map((file) => {
    const text = readFileSync(join(folder, file), 'utf8')
    return { file: file.split(sep).join('/'), lines: text.trimEnd().split('\n').length, imports: findImports(text) }
  })
}

/** Finds every form of import in a source text. */
export function findImports(text: string): readonly Import[] {
  const code = text.replaceAll(/^\s*\/\*[\s\S]*?\*\/|^\s*(?:\/\/|\*).*$/gm, '')
  const statements = code.matchAll(/^\s*(?:import|export)\b(\s+type\b)?(?:[^'"`;]*?\bfrom)?\s*['"]([^'"]+)['"]/gm)
  const calls = code.matchAll(/\b(?:import|require)\(\s*['"]([^'"]+)['"]/g)
  const augmented = code.matchAll(/^\s*declare module\s+['"]([^'"]+)['"]/gm)
  return [
    ...[...statements].map(([, type, specifier = '']) => ({ specifier, typeOnly: type !== undefined })),
    ...[...calls].map(([, specifier = '']) => ({ specifier, typeOnly: false })),
    ...[...augmented].map(([, specifier = '']) => ({ specifier, typeOnly: true })),
  ]
}
