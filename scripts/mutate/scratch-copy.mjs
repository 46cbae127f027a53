import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { root } from '../setup.mjs'

// The files that tests read. The links in node_modules folders are relative, so that links to packages point to the
// copies.
const copied = ['packages', 'test', 'examples', 'scripts', 'docs', 'README.md', 'package.json', 'tsconfig.base.json']

// The tools and the output of the site are large, and no test reads them.
const siteTools = /\.vitepress[/\\](?:node_modules|pages|cache|dist)$/

/** A copy of the built repository in which one source at a time is replaced. */
export class ScratchCopy {
  base = mkdtempSync(join(tmpdir(), 'countersign-mutate-'))

  constructor() {
    for (const name of copied) {
      cpSync(join(root, name), join(this.base, name), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (source) => !basename(source).startsWith('page-') && !siteTools.test(source),
      })
    }
    symlinkSync(join(root, 'node_modules'), join(this.base, 'node_modules'), 'junction')
  }

  /** Replaces a source with its mutant. The returned function restores it. */
  async apply({ file, find, replace }) {
    const built = join(this.base, file.replace('/src/', '/dist/').replace(/\.ts$/, '.js'))
    const original = readFileSync(built)
    const source = readFileSync(join(root, file), 'utf8')
    writeFileSync(built, await transpile(source.split(find).join(replace)))
    return () => writeFileSync(built, original)
  }

  remove() {
    rmSync(this.base, { recursive: true, force: true })
  }
}

async function transpile(source) {
  const esbuild = await import('esbuild')
  const { code } = await esbuild.transform(source, {
    loader: 'ts',
    format: 'esm',
    target: 'node20.19',
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  })
  // Relative imports end in .ts; esbuild writes each import, or its last line, on one line, in double quotes.
  return code.replaceAll(/(\bfrom |\bimport |\bimport\()"(\.{1,2}\/[^"\n]+)\.ts"/g, '$1"$2.js"')
}
