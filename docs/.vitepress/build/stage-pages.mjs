/** Copies what becomes a page into pages/, where VitePress reads it. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fixedFiles, mapLinks, toSitePath } from './map-links.mjs'

const root = fileURLToPath(new URL('../../..', import.meta.url))
export const pages = fileURLToPath(new URL('../pages', import.meta.url))

/** Writes every page except those of the API reference. */
export function stagePages() {
  for (const file of listFiles()) stage(file)
  for (const name of readdirSync(join(root, 'docs'))) if (/\.(?:svg|png)$/.test(name)) copy(`docs/${name}`)
  for (const name of readdirSync(join(root, 'bench/plots'))) if (name.endsWith('.svg')) copy(`bench/plots/${name}`)
  for (const name of readdirSync(join(root, 'examples'))) write(`examples/${name}.md`, showExample(name))
  write('index.md', fillHome(read('docs/.vitepress/home.md')))
}

/** The files of the repository that become pages, except examples and the landing page. */
export function listFiles() {
  const inFolder = (folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`)
  return [...inFolder('docs'), ...inFolder('docs/contributing'), ...fixedFiles]
}

function stage(file) {
  const text = read(file)
  const isPlain = !file.endsWith('.md')
  write(toSitePath(file), isPlain ? `# License\n\n\`\`\`text\n${text.trimEnd()}\n\`\`\`\n` : mapLinks(text, file))
}

function copy(file) {
  const target = join(pages, toSitePath(file))
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(join(root, file), target)
}

/** The policy documents of an example, if it has any, and its sources, the main file first. */
function showExample(name) {
  const folder = join(root, 'examples', name, 'policies')
  const documents = existsSync(folder) ? readdirSync(folder).toSorted() : []
  const policies = documents.map(
    (file) => `## policies/${file}\n\n\`\`\`yaml\n${read(`examples/${name}/policies/${file}`)}\`\`\`\n`,
  )
  const sources = readdirSync(join(root, 'examples', name, 'src')).toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
  const blocks = sources.map((file) => `## ${file}\n\n\`\`\`ts\n${read(`examples/${name}/src/${file}`)}\`\`\`\n`)
  const run = `After \`npm run build\`, run it with \`node --import tsx examples/${name}/src/main.ts\` in the repository.`
  return `# Example: ${name}\n\n${run}\n\n${[...policies, ...blocks].join('\n')}`
}

function rank(file) {
  return file === 'main.ts' ? 0 : 1
}

/** The landing page shows blocks of README.md, which tests run: `<!-- README.md: server.ts -->` stands for one. */
function fillHome(text) {
  const readme = read('README.md')
  return mapLinks(text, 'README.md').replaceAll(/<!-- README\.md: (.+) -->/g, (_whole, wanted) => {
    const blocks = [...readme.matchAll(/^```(\w+)[^\n]*\n([^]*?)^```$/gm)]
    const found = blocks.find(([, , code]) => code.includes(wanted))
    if (found === undefined) throw new Error(`README.md has no block with ${wanted}`)
    const [, language, code] = found
    return `\`\`\`${language}\n${code}\`\`\``
  })
}

function read(file) {
  return readFileSync(join(root, file), 'utf8')
}

function write(path, text) {
  const target = join(pages, path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text)
}
