"""No score off its scale: (axis, value) is a foreign key to the axis's points."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("annotation", "0002_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE annotation_score ADD CONSTRAINT score_is_a_point_of_its_axis"
            " FOREIGN KEY (axis_id, value) REFERENCES projects_point (axis_id, value)",
            "ALTER TABLE annotation_score DROP CONSTRAINT score_is_a_point_of_its_axis",
        ),
    ]
