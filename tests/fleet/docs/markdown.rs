//! What a document says in code: spans, blocks and links.
//!
//! Owns the reading of Markdown as far as the tests need it; called by [`docs`](super). It never judges what it finds.

/// Returns every line of code: the lines of blocks, fenced or indented, and inline spans, shell prompts taken off.
pub(super) fn code(markdown: &str) -> Vec<String> {
    let mut code = Vec::new();
    let (mut fenced, mut indented, mut after_blank) = (false, false, true);
    for line in markdown.lines() {
        let deep = line.starts_with("    ");
        indented = deep && (indented || after_blank);
        after_blank = line.is_empty();
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || indented {
            code.push(line.trim().trim_start_matches("$ ").to_owned());
        } else {
            // Every second piece between back ticks is code.
            code.extend(line.split('`').skip(1).step_by(2).map(ToOwned::to_owned));
        }
    }
    code
}

/// Returns the targets of links that stay in the repository, without their anchors.
pub(super) fn links(markdown: &str) -> Vec<String> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn code_is_found_in_blocks_and_spans() {
    let text =
        "Type `a b` or `c`:\n```sh\n$ run --it\n```\nand `d`.\n\n    block one\n    block two\n";
    assert_eq!(code(text), ["a b", "c", "run --it", "d", "block one", "block two"]);
}

#[test]
fn an_indented_line_of_a_paragraph_is_no_code() {
    assert_eq!(code("- a list\n    goes `on`\n"), ["on"]);
}

#[test]
fn links_out_of_the_repository_are_left_alone() {
    let text = "[a](deploy/x.md#y) [b](https://example.org) [c](#here)";
    assert_eq!(links(text), ["deploy/x.md"]);
}
