/**
 * Where a file of the repository is on the site. Pages are written for GitHub, where links lead to files; on the site the
 * same links lead to pages.
 */
export function toSitePath(file) {
  if (/^docs\/(?:contributing\/)?[\w-]+\.(?:md|svg|png)$/.test(file)) return file.slice('docs/'.length)
  const moved = roots.get(file === '.changeset' ? '.changeset/README.md' : file)
  if (moved !== undefined) return moved
  const [, example] = /^examples\/([\w-]+)$/.exec(file) ?? []
  if (example !== undefined) return `examples/${example}.md`
  const [, name] = /^packages\/([\w-]+)(?:\/README\.md)?$/.exec(file) ?? []
  // The commands have no API; their page is the one on development.
  if (name !== undefined) return name === 'cli' ? 'development.md' : `api/@countersign/${name}/index.md`
  const [, plot] = /^bench\/(plots\/[\w-]+\.svg)$/.exec(file) ?? []
  return plot
}

const roots = new Map([
  ['README.md', 'index.md'],
  ['SECURITY.md', 'security.md'],
  ['ARCHITECTURE.md', 'architecture.md'],
  ['CONTRIBUTING.md', 'contributing.md'],
  ['CODE_OF_CONDUCT.md', 'code-of-conduct.md'],
  ['.changeset/README.md', 'changesets.md'],
  ['CHANGELOG.md', 'changelog.md'],
  ['LICENSE', 'license.md'],
  ['bench/RESULTS.md', 'measurements.md'],
])

/** The files at fixed places that become pages, and the images of the measurements. */
export const fixedFiles = [...roots.keys()].filter((file) => file !== 'README.md')

/** Replaces every relative link and image of a page by the one that leads to the same content on the site. */
export function mapLinks(text, file) {
  const here = toSitePath(file)
  let isCode = false
  return text
    .split('\n')
    .map((line) => {
      if (line.startsWith('```')) isCode = !isCode
      if (isCode) return line
      return line.replaceAll(/(\]\()([^)\s#]+)((?:#[^)\s]*)?\))/g, (whole, open, target, rest) => {
        if (/^[a-z]+:/.test(target)) return whole
        const meant = new URL(target, `file:///${file}`).pathname.slice(1).replace(/\/$/, '')
        const place = toSitePath(meant)
        if (place === undefined) throw new Error(`${file}: the site has no page for ${target}`)
        return `${open}${relate(here, place)}${rest}`
      })
    })
    .join('\n')
}

function relate(from, to) {
  const up = from.split('/').length - 1
  return `${up === 0 ? './' : '../'.repeat(up)}${to}`
}
