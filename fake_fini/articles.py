"""Articles: those that jobs have made, and those that publishing drafts leaves."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import uuid4

from fake_fini.jobs import Job, Jobs

TEXT_FIELDS: Final = ("title", "mainKnowledge", "agentInstruction")
LIST_FIELDS: Final = ("questions", "keywords")
CONTENT_FIELDS: Final = (*TEXT_FIELDS, *LIST_FIELDS, "escalation")

_Article: TypeAlias = dict[str, Any]


class Articles:
    """The articles of a workspace."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        # Articles that publishing created or updated; None: a draft that was published.
        self._changed: dict[str, _Article | None] = {}

    def find(self, article_ids: Sequence[str]) -> list[_Article]:
        """Return the articles with these IDs; unknown IDs are left out."""
        # If several jobs made an article, the first one counts.
        makers = {job.article: job for job in reversed(self._jobs.finished()) if not job.article_missing}
        made = {wanted: self._made_by(makers[wanted]) for wanted in article_ids if wanted in makers}
        articles: dict[str, _Article | None] = {**made, **self._changed}
        return [article for wanted in dict.fromkeys(article_ids) if (article := articles.get(wanted))]

    def publish(self, draft_id: str, content: Mapping[str, Any]) -> _Article | None:
        """Publish a draft with this content, and return the live article, or None if there is no such draft."""
        drafts = [article for article in self.find([draft_id]) if "isDraftPublished" in article]
        if not drafts:
            return None
        live_id = drafts[0].get("originalArticleId") or str(uuid4())
        live = {"id": live_id, **{name: content[name] for name in CONTENT_FIELDS}}
        self._changed |= {draft_id: None, live_id: live}
        return live

    def _made_by(self, job: Job) -> _Article:
        title = job.title or f"About {job.document_id or job.id}"
        article: _Article = {
            "id": job.article,
            "title": title,
            "mainKnowledge": f"{title}: all that a customer needs to know.",
            "agentInstruction": f"Use this article for questions about this topic: {title}",
            "questions": [f"Where can I read more? {title}"],
            "keywords": [title],
            "escalation": False,
        }
        if self._jobs.is_draft(job):
            article["isDraftPublished"] = False
            article |= {"originalArticleId": job.original_article_id} if job.original_article_id else {}
        return article
