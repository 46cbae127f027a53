const heading = '## Unreleased\n'

const titles = [
  ['major', '### Breaking changes'],
  ['minor', '### Changes'],
  ['patch', '### Fixes'],
]

/**
 * Adds a section for a version to the changelog: the entries under "Unreleased", and then the changesets. "Unreleased"
 * is empty afterwards.
 */
export function addSection(changelog, { version, date, changesets }) {
  const start = changelog.indexOf(heading)
  if (start === -1) throw new Error(`CHANGELOG.md: found no line '${heading.trim()}', expected one`)
  const rest = changelog.slice(start + heading.length)
  const end = rest.search(/^## /m)
  const unreleased = (end === -1 ? rest : rest.slice(0, end)).trim()
  const earlier = end === -1 ? '' : rest.slice(end)
  const section = [`## ${version} (${date})`, unreleased, ...renderChangesets(changesets)].filter((part) => part !== '')
  const text = `${changelog.slice(0, start)}${heading}\n${section.join('\n\n')}\n${earlier === '' ? '' : `\n${earlier}`}`
  return { text, section: section.join('\n\n') }
}

function renderChangesets(changesets) {
  return titles.flatMap(([type, title]) => {
    const entries = changesets.filter((changeset) => changeset.type === type && changeset.summary !== '')
    return entries.length === 0 ? [] : [title, entries.map(renderEntry).join('\n')]
  })
}

function renderEntry({ packages, summary }) {
  const names = packages.map((name) => name.replace('@countersign/', '')).join(', ')
  return `- ${summary.split('\n').join('\n  ')} (${names})`.replaceAll(/^ +$/gm, '')
}
