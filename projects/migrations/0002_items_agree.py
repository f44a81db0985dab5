"""An item, its responses, its prompt and its project cannot disagree: composite foreign keys say so."""

from django.db import migrations


def key(name: str, columns: str, to: str, to_columns: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE projects_item ADD CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES {to} ({to_columns})"
        " DEFERRABLE INITIALLY DEFERRED",
        f"ALTER TABLE projects_item DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_initial")]

    operations = [
        key("item_prompt_of_its_project", "prompt_id, project_id", "projects_prompt", "id, project_id"),
        key("item_response_to_its_prompt", "response_id, prompt_id", "projects_response", "id, prompt_id"),
        key("item_second_response_to_its_prompt", "second_response_id, prompt_id", "projects_response", "id, prompt_id"),
    ]
