import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The arguments with which Node runs a TypeScript program of the repository, such as `examples/tls-pair/src/main.ts`:
 * compiled under `npm test`, which has compiled everything, and otherwise with tsx.
 */
export function programArguments(file: string): readonly string[] {
  if (process.env['COUNTERSIGN_COMPILED'] !== '1') return ['--import', 'tsx', file]
  const compiled = file
    .replace(/^test\//, 'test/dist/')
    .replace('/src/', '/dist/')
    .replace(/\.ts$/, '.js')
  return [`${root}${compiled}`]
}
